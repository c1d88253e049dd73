"""Forms of the console about the rulebook."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from programme.documents import TEXT_MAX


class ProgrammeFileForm(forms.Form):
    """A programme as YAML, as it was downloaded or `manage.py export_programme` prints it."""

    file = forms.FileField(
        label=_("Programme file"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".yaml,.yml"}),
        help_text=_("YAML, as a version's page offers it for download."),
    )

    def clean_file(self) -> str:
        file: Any = self.cleaned_data["file"]
        # A character is four bytes at most; how many there may be, `documents.parse` says.
        if file.size > 4 * TEXT_MAX:
            raise forms.ValidationError(_("The file is too large."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("The file is not UTF-8 text.")) from error
