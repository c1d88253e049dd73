"""What members tell of themselves, in fields of the members' pages."""

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from members.forms import attribute_field
from members.models import Attribute, AttributeKind, Member, Sex
from membership.forms import UNSEEN


def own_field(attribute: Attribute, *, known: Any = None) -> forms.Field:
    """As `members.forms.attribute_field`, with widgets of the members' pages."""
    field: Any = attribute_field(attribute, known=known)
    match AttributeKind(attribute.kind):
        case AttributeKind.DATE:
            field.widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        case AttributeKind.NUMBER:
            field.widget = forms.TextInput(attrs={"inputmode": "decimal"})
        case AttributeKind.YES_NO | AttributeKind.CHOICE:
            field.widget = forms.Select(choices=field.choices)
        case AttributeKind.CHOICES:
            field.widget = forms.CheckboxSelectMultiple(choices=field.choices)
        case _:
            field.widget = forms.TextInput(attrs={"maxlength": field.max_length})
    field.widget.is_required = field.required
    return field


class OwnProfileForm(forms.Form):
    """What is told once and known already is not among its fields."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    birthday = forms.DateField(
        label=_("Birthday"),
        required=False,
        widget=forms.DateInput(
            attrs={"type": "date", "autocomplete": "bday", "min": "1900-01-01"}, format="%Y-%m-%d"
        ),
        help_text=_("Once: later only your store can change it."),
    )
    sex = forms.ChoiceField(
        label=_("Sex"),
        choices=[("", "–"), *Sex.choices],
        required=False,
        widget=forms.Select(attrs={"autocomplete": "sex"}),
    )
    province = forms.CharField(
        label=_("Province"),
        max_length=50,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "address-level1"}),
    )
    city = forms.CharField(
        label=_("City"),
        max_length=50,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "address-level2"}),
    )

    def __init__(
        self, *args: Any, member: Member, asked: Sequence[Attribute] = (), **kwargs: Any
    ) -> None:
        """:param asked: the attributes members may edit themselves"""
        super().__init__(*args, **kwargs | {"initial": _initial(member, asked)})
        for name in ("name", "birthday"):
            if getattr(member, name):
                del self.fields[name]
        self.asked = asked
        for each in asked:
            self.fields[_field_of(each)] = own_field(each, known=member.attributes.get(each.code))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("name", "province", "city"):
            if text := cleaned.get(name):
                cleaned[name] = unicodedata.normalize("NFC", text).strip()
                if any(unicodedata.category(each) in UNSEEN for each in text):
                    self.add_error(name, _("There are characters in it that cannot be seen."))
        return cleaned

    def changes(self) -> dict[str, Any]:
        """What `members.operations.correct_own` takes; equal values are left alone there."""
        content = dict(self.cleaned_data)
        told = {each.code: _plain(content.pop(_field_of(each))) for each in self.asked}
        # Left empty, what is told once is told another time.
        for name in ("name", "birthday"):
            if not content.get(name):
                content.pop(name, None)
        return content | ({"attributes": told} if told else {})


def _initial(member: Member, asked: Sequence[Attribute]) -> dict[str, Any]:
    known: Mapping[str, Any] = member.attributes
    told = {_field_of(each): _shown(known.get(each.code)) for each in asked}
    return told | {"sex": member.sex, "province": member.province, "city": member.city}


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _field_of(attribute: Attribute) -> str:
    return f"attribute-{attribute.code}"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


class BindForm(forms.Form):
    identifier = forms.CharField(
        label=_("VIN or serial number"),
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        help_text=_("On the registration certificate, on the windscreen or on the product itself."),
    )
    name = forms.CharField(
        label=_("What you call it (optional)"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_identifier(self) -> str:
        # Full-width letters and blanks come from Chinese input methods.
        text = unicodedata.normalize("NFKC", self.cleaned_data["identifier"])
        return "".join(text.split())

    def clean_name(self) -> str:
        name = unicodedata.normalize("NFC", self.cleaned_data["name"]).strip()
        if any(unicodedata.category(each) in UNSEEN for each in name):
            raise forms.ValidationError(_("There are characters in it that cannot be seen."))
        return name
