"""What members fill in about their families and companies."""

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from members.models import GroupKind
from members.operations import NAME_MAX
from membership.forms import UNSEEN


class FoundForm(forms.Form):
    kind = forms.ChoiceField(label=_("Kind"), widget=forms.RadioSelect)
    name = forms.CharField(
        label=_("What it is called"),
        max_length=NAME_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, kinds: list[GroupKind], **kwargs: Any) -> None:
        """:param kinds: what the programme offers, and the member is not in yet"""
        super().__init__(*args, **kwargs)
        choices = [(kind.value, kind.label) for kind in kinds]
        field: Any = self.fields["kind"]
        field.choices = choices
        if len(choices) == 1:
            field.widget, field.initial = forms.HiddenInput(), choices[0][0]

    def clean_name(self) -> str:
        name = unicodedata.normalize("NFC", self.cleaned_data["name"]).strip()
        if any(unicodedata.category(each) in UNSEEN for each in name):
            raise forms.ValidationError(_("There are characters in it that cannot be seen."))
        return name


class InviteForm(forms.Form):
    whom = forms.CharField(
        label=_("Phone or member number"),
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("If somebody here has it, they find your invitation within a moment."),
    )


class ShareForm(forms.Form):
    shares = forms.BooleanField(
        label=_("Others here may spend my points, and I theirs"), required=False
    )
    monthly_points = forms.IntegerField(
        label=_("Of mine at most, a month"),
        required=False,
        min_value=1,
        max_value=1_000_000_000,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text=_("Empty: all I have."),
    )
