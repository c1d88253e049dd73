"""Which days a page of figures is about."""

from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminDateWidget

from common.errors import DomainError
from common.moments import require_years


class PeriodForm(forms.Form):
    """Days from … to, both included; this year so far, unless somebody asks for others."""

    first = forms.DateField(widget=UnfoldAdminDateWidget)
    last = forms.DateField(label=gettext_lazy("to"), widget=UnfoldAdminDateWidget)

    def __init__(self, asked: QueryDict, *, label: Any, days_max: int | None = None) -> None:
        """
        :param label: of the first day, such as “Used from”
        :param days_max: more are refused
        """
        today = localdate()
        this_year = {"first": today.replace(month=1, day=1), "last": today}
        super().__init__(asked if "first" in asked else this_year)
        self.fields["first"].label = label
        self.days_max = days_max

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        first, last = given.get("first"), given.get("last")
        if not first or not last:
            return given
        try:
            require_years(first, last)
        except DomainError as refusal:
            raise forms.ValidationError(refusal.sentence, code=refusal.code) from refusal
        if last < first:
            raise forms.ValidationError(_("The last day lies before the first."), code="order")
        if self.days_max is not None and (last - first).days >= self.days_max:
            raise forms.ValidationError(
                _("At most %(count)s days at once.") % {"count": self.days_max}, code="too_long"
            )
        return given

    @property
    def days(self) -> tuple[date, date]:
        """Of a valid form."""
        return self.cleaned_data["first"], self.cleaned_data["last"]
