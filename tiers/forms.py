"""Forms of members about tiers."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tiers.operations import DOCUMENT_BYTES_MAX, DOCUMENTS_MAX, Attached

TEXT_MAX = 1000
ACCEPTED = ".jpg,.jpeg,.png,.pdf"


class ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Files, none or several. What they may be, the operation judges."""

    widget = ManyFilesInput

    def clean(self, data: Any, _initial: Any = None) -> list[Any]:
        return list(data or [])


class ApplyForm(forms.Form):
    """Apply for a tier 申请升级. Whether it can be applied for, the operation judges."""

    level = forms.SlugField(widget=forms.HiddenInput)
    text = forms.CharField(
        label=_("What we should know"),
        max_length=TEXT_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    documents = ManyFilesField(
        label=_("Documents"),
        help_text=_(
            "Up to 5 files, JPEG, PNG or PDF, each of at most 5 MB. Only staff who decide see them."
        ),
        required=False,
        widget=ManyFilesInput(attrs={"accept": ACCEPTED}),
    )

    def attached(self) -> list[Attached]:
        """What was sent; of a file that is too large no more than shows that it is."""
        return [
            Attached(each.name, each.read(DOCUMENT_BYTES_MAX + 1))
            for each in self.cleaned_data["documents"][: DOCUMENTS_MAX + 1]
        ]
