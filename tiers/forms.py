"""Forms of members about tiers."""

from django import forms
from django.utils.translation import gettext_lazy as _

TEXT_MAX = 1000


class ApplyForm(forms.Form):
    """Apply for a tier 申请升级. Whether it can be applied for, the operation judges."""

    level = forms.SlugField(widget=forms.HiddenInput)
    text = forms.CharField(
        label=_("What we should know"),
        max_length=TEXT_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
