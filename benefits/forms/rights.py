"""Forms of members about benefits."""

from django import forms
from django.utils.translation import gettext_lazy as _

from benefits.models import NOTE_MAX

STARS_MAX = 5


class RateForm(forms.Form):
    """What a member says of what they got. Whether it can be rated, the operation judges."""

    right = forms.IntegerField(widget=forms.HiddenInput, min_value=1)
    stars = forms.TypedChoiceField(
        label=_("How was it?"),
        coerce=int,
        choices=[(number, "★" * number) for number in range(STARS_MAX, 0, -1)],
    )
    words = forms.CharField(label=_("A few words"), max_length=NOTE_MAX, required=False)
