"""What members type in. Forms clean the text; whether it is right is for the operations to say."""

import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from common.errors import DomainError
from members import emails, phones

# Controls, marks of direction, halves of characters, ends of lines.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class PhoneForm(forms.Form):
    phone = forms.CharField(
        label=_("Mobile number"),
        max_length=phones.TEXT_MAX,
        widget=forms.TextInput(
            attrs={
                "type": "tel",
                "inputmode": "tel",
                "autocomplete": "tel",
                "autofocus": True,
                "placeholder": "138 0013 8000",
            }
        ),
    )

    def clean_phone(self) -> str:
        try:
            # Full-width digits and blanks come from Chinese input methods.
            return phones.normalize(unicodedata.normalize("NFKC", self.cleaned_data["phone"]))
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal


class EmailForm(forms.Form):
    email = forms.CharField(
        label=_("E-mail"),
        max_length=emails.TEXT_MAX,
        widget=forms.EmailInput(
            attrs={"autocomplete": "email", "autocapitalize": "none", "autofocus": True}
        ),
    )

    def clean_email(self) -> str:
        try:
            return emails.normalize(self.cleaned_data["email"])
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal


class EmailLoginForm(EmailForm):
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


def agreed_field() -> forms.BooleanField:
    return forms.BooleanField(
        label=_("I agree to the membership terms and the privacy notice"),
        error_messages={"required": _("Without your agreement we cannot take you in.")},
    )


class ActivationForm(forms.Form):
    """Asks for an identifier only of whom a product is known."""

    identifier = forms.CharField(
        label=_("VIN or serial number"),
        max_length=64,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
    agreed = agreed_field()

    def __init__(self, *args: Any, has_product: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_product:
            del self.fields["identifier"]

    def clean_identifier(self) -> str:
        text = unicodedata.normalize("NFKC", self.cleaned_data["identifier"])
        return "".join(text.split())


class FactorForm(forms.Form):
    code = forms.CharField(
        label=_("One-time code"),
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def clean_code(self) -> str:
        text = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        return "".join(text.split()).replace("-", "")


class JoinForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    birthday = forms.DateField(
        label=_("Birthday (optional)"),
        required=False,
        widget=forms.DateInput(
            attrs={"type": "date", "autocomplete": "bday", "min": "1900-01-01"}, format="%Y-%m-%d"
        ),
    )
    agreed = agreed_field()

    def clean_name(self) -> str:
        name = unicodedata.normalize("NFC", self.cleaned_data["name"]).strip()
        # Not str.isprintable: it refuses characters of names that Unicode took in since.
        if any(unicodedata.category(each) in UNSEEN for each in name):
            raise forms.ValidationError(_("The name has characters that cannot be seen."))
        return name


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("One-time code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "autofocus": True,
                "placeholder": "000000",
            }
        ),
    )

    def clean_code(self) -> str:
        text = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        return "".join(text.split())
