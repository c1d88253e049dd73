"""What a member chooses on the statement. (Staff's forms are in `points.forms`.)"""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from points.models import EntryKind

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
SEQ_MAX = 2**31 - 1

# What a member looks for, and the kinds of entries that tell of it. A forfeiture ends a membership,
# and with it the login: no member can see one.
CHOICES = {
    EntryKind.EARN: (_("Earned"), (EntryKind.EARN, EntryKind.VEST)),
    EntryKind.REDEEM: (
        _("Redeemed"),
        (EntryKind.REDEEM, EntryKind.HOLD, EntryKind.RELEASE, EntryKind.REINSTATE),
    ),
    EntryKind.REVERSE: (_("Taken back"), (EntryKind.REVERSE,)),
    EntryKind.EXPIRE: (_("Expired"), (EntryKind.EXPIRE, EntryKind.EXTEND)),
    "MOVED": (
        _("Moved"),
        (
            EntryKind.TRANSFER_OUT,
            EntryKind.TRANSFER_IN,
            EntryKind.POOL_OUT,
            EntryKind.POOL_IN,
            EntryKind.POOL_BACK,
            EntryKind.MERGE_OUT,
            EntryKind.MERGE_IN,
        ),
    ),
    EntryKind.ADJUST: (_("Adjusted"), (EntryKind.ADJUST,)),
}


def _day_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        validators=[MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)],
    )


class StatementForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[("", _("All")), *((name, label) for name, (label, _kinds) in CHOICES.items())],
        required=False,
        widget=forms.RadioSelect,
    )
    since = _day_field(_("From"))
    until = _day_field(_("To"))
    before = forms.IntegerField(
        required=False, min_value=1, max_value=SEQ_MAX, widget=forms.HiddenInput
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("The last day lies before the first."))
        return cleaned

    def chosen(self) -> dict[str, Any]:
        """What `queries.statement` takes; nothing if the form makes no sense."""
        if not self.is_valid():
            return {}
        chosen = dict(self.cleaned_data)
        kind = chosen.pop("kind")
        return chosen | {"kinds": CHOICES[kind][1] if kind else ()}


class BalanceForm(forms.Form):
    """Which balance a member had at the end of a day."""

    on = _day_field(_("Day"))
