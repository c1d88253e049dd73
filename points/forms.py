"""Forms of the console about points."""

from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from points.models import AdjustmentReason
from points.operations import POINTS_MAX

NOTE_MAX = 200
REFERENCE = r"^console-[0-9a-f]{32}$"


def new_reference() -> str:
    return f"console-{uuid4().hex}"


class AdjustForm(forms.Form):
    """A correction by hand. Its reference is made with the form: sent twice, it counts once."""

    points = forms.IntegerField(
        label=_("Points"),
        min_value=-POINTS_MAX,
        max_value=POINTS_MAX,
        widget=UnfoldAdminIntegerFieldWidget(
            attrs={"autofocus": True, "placeholder": "+100 / -100"}
        ),
        help_text=_("With a minus sign, points are taken away."),
    )
    reason = forms.ChoiceField(
        label=_("Reason"),
        choices=[("", "–"), *AdjustmentReason.choices],
        widget=UnfoldAdminSelectWidget,
    )
    note = forms.CharField(
        label=_("Note"),
        max_length=NOTE_MAX,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For colleagues and auditors; the member does not see it."),
    )
    reference = forms.RegexField(REFERENCE, initial=new_reference, widget=forms.HiddenInput)

    def clean_points(self) -> int:
        points: int = self.cleaned_data["points"]
        if points == 0:
            raise forms.ValidationError(_("Zero points correct nothing."))
        return points


class DayForm(forms.Form):
    """The day as of which a balance is asked."""

    day = forms.DateField(
        label=_("Balance as of"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
