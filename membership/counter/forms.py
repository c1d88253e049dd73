"""What a clerk types. Whether it is right is for the operations to say."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from benefits import pictures
from benefits.models import Proof
from benefits.operations import NotAPicture, NotAProof, Shown
from members.cards import LENGTH

NAME_MAX = 100
NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Member code"),
        max_length=2 * LENGTH,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
                # A scanner types; no keyboard need cover half of a tablet for it.
                "inputmode": "none",
            }
        ),
    )


class PhoneForm(forms.Form):
    tail = forms.RegexField(
        label=_("Last 4 digits of the phone"),
        regex=r"^[0-9]{4}\Z",
        widget=forms.TextInput(attrs={**NUMERIC, "maxlength": 4}),
    )
    name = forms.CharField(
        label=_("Whole name"),
        max_length=NAME_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        if data is not None:
            # Full-width digits come from Chinese input methods.
            data = {name: unicodedata.normalize("NFKC", data[name]).strip() for name in data}
        super().__init__(data, **options)


class OnceForm(forms.Form):
    once = forms.RegexField(regex=r"^[0-9a-f]{24}\Z", widget=forms.HiddenInput)


class DeliverForm(OnceForm):
    benefit = forms.SlugField(widget=forms.HiddenInput)


class ProveForm(DeliverForm):
    """One of the three is enough. Pictures are drawn anew: no place and time of a phone is kept."""

    code = forms.CharField(
        label=_("Member code"),
        required=False,
        max_length=2 * LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    signature = forms.FileField(
        label=_("Signature"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png", "hidden": True}),
    )
    photo = forms.FileField(
        label=_("Photo"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png", "capture": "environment"}),
    )

    def clean_signature(self) -> bytes:
        return self._picture("signature")

    def clean_photo(self) -> bytes:
        return self._picture("photo")

    def _picture(self, name: str) -> bytes:
        given = self.cleaned_data[name]
        try:
            return pictures.clean(given.read()) if given else b""
        except NotAPicture as refusal:
            raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal

    def shown(self, *, at: datetime) -> Shown:
        """:raises NotAProof: if there is none of them"""
        given = self.cleaned_data
        picture = given["signature"] or given["photo"]
        if given["code"]:
            return Shown(proof=Proof.CARD, card=given["code"], seen_at=at, picture=picture)
        if not picture:
            raise NotAProof
        proof = Proof.SIGNATURE if given["signature"] else Proof.PHOTO
        return Shown(proof=proof, picture=picture)


class CouponForm(OnceForm):
    """`bill`: only some coupons ask what is bought."""

    code = forms.CharField(
        label=_("Coupon code"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    bill = forms.DecimalField(
        label=_("The bill"),
        required=False,
        min_value=Decimal("0.01"),
        max_digits=9,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class BillForm(OnceForm):
    bill = forms.DecimalField(
        label=_("The bill"),
        min_value=Decimal("0.01"),
        max_digits=9,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    points = forms.IntegerField(
        label=_("Points"),
        required=False,
        min_value=1,
        widget=forms.TextInput(attrs=NUMERIC),
    )
