"""Forms of the console about points."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common.forms import keep_out
from points.models import AdjustmentReason
from points.operations import POINTS_MAX

NOTE_MAX = 200
LAST_DAY_MAX = date(2199, 12, 31)
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
        validators=[keep_out],
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For colleagues and auditors; the member does not see it."),
    )
    reference = forms.RegexField(REFERENCE, initial=new_reference, widget=forms.HiddenInput)

    def clean_points(self) -> int:
        points: int = self.cleaned_data["points"]
        if points == 0:
            raise forms.ValidationError(_("Zero points correct nothing."))
        return points


class ByHandForm(forms.Form):
    """What staff do by hand: why, and the form's own name for it, so that it counts once."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=NOTE_MAX,
        validators=[keep_out],
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("For colleagues and auditors; the member does not see it."),
    )
    reference = forms.RegexField(REFERENCE, initial=new_reference, widget=forms.HiddenInput)

    def clean_reason(self) -> str:
        # An entry keeps it in one line.
        return " ".join(self.cleaned_data["reason"].split())


class EntryForm(ByHandForm):
    """About one of some entries."""

    entry = forms.TypedChoiceField(label=_("Entry"), coerce=int, widget=UnfoldAdminSelectWidget)
    field_order = ["entry", "points", "reason"]

    def __init__(self, *args: Any, entries: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        """:param entries: numbers, and how they read; the first is chosen unless told"""
        super().__init__(*args, **kwargs)
        self.fields["entry"].choices = entries  # type: ignore[attr-defined]  # a choice field


class GiveBackForm(EntryForm):
    """Points of a redemption, or such as have expired, go back to the member."""

    points = forms.IntegerField(
        label=_("Points"),
        required=False,
        min_value=1,
        max_value=POINTS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Leave empty for all that is left of it."),
    )


class ExtendForm(ByHandForm):
    """Which points can be used until when."""

    lots = forms.TypedMultipleChoiceField(
        label=_("Points"), coerce=int, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    last_day = forms.DateField(
        label=_("Can be used until"),
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        validators=[MaxValueValidator(LAST_DAY_MAX)],
        help_text=_("Those that last longer stay as they are."),
    )
    field_order = ["lots", "last_day", "reason"]

    def __init__(self, *args: Any, lots: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lots"].choices = lots  # type: ignore[attr-defined]  # a choice field


class OtherMemberForm(ByHandForm):
    """About another member too, named by number."""

    other = forms.CharField(
        label=_("Number of the other member"),
        max_length=20,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "off", "placeholder": "M0000000018"}
        ),
    )
    field_order = ["other", "points", "reason"]

    def clean_other(self) -> str:
        return self.cleaned_data["other"].strip().upper()


class TransferForm(OtherMemberForm):
    points = forms.IntegerField(
        label=_("Points"),
        min_value=1,
        max_value=POINTS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class UnmergeForm(ByHandForm):
    after_spending = forms.ChoiceField(
        label=_("What has been spent of it"),
        choices=[
            ("refuse", _("Is a reason not to do it")),
            ("debt", _("Is taken from the other's own points, then their debt")),
            ("write_off", _("Is written off")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ["after_spending", "reason"]


FILE_BYTES_MAX = 5_000_000


class GrantFileForm(forms.Form):
    """A file with a member number, points, a reference and a reason in each row."""

    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.xlsx"}),
        help_text=_("CSV or XLSX with the columns member, points, reference and reason."),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > FILE_BYTES_MAX:
            raise forms.ValidationError(_("The file is larger than 5 MB; split it."))
        return file


class DayForm(forms.Form):
    """The day as of which a balance is asked."""

    day = forms.DateField(
        label=_("Balance as of"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
