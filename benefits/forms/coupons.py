"""Forms of members about coupons."""

from django import forms
from django.utils.translation import gettext_lazy as _

from benefits.coupons import codes


class ClaimForm(forms.Form):
    """A code or a word, as somebody typed it."""

    code = forms.CharField(
        label=_("Code of a coupon"),
        # In groups, as it is printed.
        max_length=codes.LENGTH_MAX + 16,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
