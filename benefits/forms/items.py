"""What a member looks for in the catalogue."""

from django import forms
from django.utils.translation import gettext_lazy as _

from benefits.queries.items import Sort

START_MAX = 100_000


class ShopForm(forms.Form):
    """From a link or a form. What makes no sense is left out, so that old links still lead here."""

    category = forms.SlugField(required=False, widget=forms.HiddenInput)
    sort = forms.ChoiceField(
        label=_("Order"), choices=Sort.choices, required=False, widget=forms.Select
    )
    affordable = forms.BooleanField(label=_("Only what I have the points for"), required=False)
    start = forms.IntegerField(
        required=False, min_value=0, max_value=START_MAX, widget=forms.HiddenInput
    )
