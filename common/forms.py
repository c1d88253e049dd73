"""Forms of the console that belong to no room in particular."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common import personal

REASON_MAX = 500


class NamesWidget(forms.MultiWidget):
    """One input for each language."""

    one: type[forms.Widget] = UnfoldAdminTextInputWidget

    def __init__(self) -> None:
        super().__init__(
            widgets={
                code: self.one(attrs={"lang": code, "aria-label": name, "placeholder": name})
                for code, name in settings.LANGUAGES
            }
        )

    def decompress(self, value: dict[str, str] | None) -> list[str]:
        return [(value or {}).get(code, "") for code, _name in settings.LANGUAGES]


class LongNamesWidget(NamesWidget):
    """For texts of several lines."""

    one = UnfoldAdminTextareaWidget


class NamesField(forms.MultiValueField):
    """A name in each language; only the first language's must be given."""

    def __init__(self, *, max_length: int = 100, **options: Any) -> None:
        fields = [
            forms.CharField(max_length=max_length, required=code == settings.LANGUAGE_CODE)
            for code, _name in settings.LANGUAGES
        ]
        options = {"widget": NamesWidget} | options
        super().__init__(fields=fields, require_all_fields=False, **options)

    def compress(self, values: list[str]) -> dict[str, str]:
        languages = (code for code, _name in settings.LANGUAGES)
        return {code: text for code, text in zip(languages, values, strict=False) if text}


def keep_out(text: str) -> None:
    """Of a field whose text cannot be erased with a member: nothing personal may stand there."""
    try:
        personal.keep_out(text)
    except personal.NamesSomebody as refusal:
        raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal


class ReasonForm(forms.Form):
    """Why something is done to a member. It goes into the audit record."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_MAX,
        validators=[keep_out],
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For the audit record: who asked for it, which document proves it."),
    )


class NoteForm(forms.Form):
    """What is said with a decision. It stays beside it and goes into the audit record."""

    note = forms.CharField(
        label=_("Note"),
        max_length=REASON_MAX,
        validators=[keep_out],
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


class NoteRequiredForm(NoteForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].required = True


class RoleField(forms.ModelMultipleChoiceField):
    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, obj: Any) -> str:
        # The roles we ship are named in English and shown in the reader's language.
        return gettext(obj.name)


class StaffChangeForm(UserChangeForm):
    groups = RoleField(queryset=Group.objects.order_by("pk"), required=False, label=_("Roles"))


class StaffCreationForm(UserCreationForm):
    groups = RoleField(queryset=Group.objects.order_by("pk"), required=False, label=_("Roles"))
