"""Forms of the console about tiers."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from common.forms import ReasonForm
from points.forms import LAST_DAY_MAX, REFERENCE, new_reference


class ByHandForm(ReasonForm):
    """What staff do about a tier: why, and the form's own name for it, so that it counts once."""

    reference = forms.RegexField(REFERENCE, initial=new_reference, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("The member reads it beside the tier.")


class SetTierForm(ByHandForm):
    """Which tier, and until when."""

    level = forms.ChoiceField(label=_("Tier"), widget=UnfoldAdminSelectWidget)
    until = forms.DateField(
        label=_("Last day"),
        required=False,
        validators=[MaxValueValidator(LAST_DAY_MAX)],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text=_("Leave empty: until somebody ends it."),
    )
    field_order = ["level", "until", "reason"]

    def __init__(self, *args: Any, levels: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        """:param levels: codes, and what they are called"""
        super().__init__(*args, **kwargs)
        self.fields["level"].choices = levels  # type: ignore[attr-defined]  # a choice field


class ExtendTierForm(ByHandForm):
    until = forms.DateField(
        label=_("New last day"),
        validators=[MaxValueValidator(LAST_DAY_MAX)],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    field_order = ["until", "reason"]
