"""What members type in. Forms clean the text; whether it is right is for the operations to say."""

import unicodedata

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import DomainError
from members import phones


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
