"""Forms of the console about prize draws."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from benefits.drawing import PARTS
from benefits.models.coupons import CodesFrom, CouponBatch
from benefits.models.draws import Draw, DrawOutcome, DrawPrize, PrizeKind
from benefits.models.items import POINTS_MAX, Period
from benefits.models.rights import CODE_MAX, NOTE_MAX
from benefits.operations.draws import Prize, Terms

PIECES_MAX = 1_000_000
PRIZES_MAX = 12
# As many rows without a prize as stand ready.
PRIZES_MORE = 2
LANGUAGES = ("zh-hans", "zh-hant", "en")
PERCENT = Decimal(100)


def percent(parts: int) -> Decimal:
    """Of a million parts, without zeros behind."""
    return (PERCENT * parts / PARTS).quantize(Decimal("0.0001"))


def _names(label: Any, language: str, *, required: bool = False) -> forms.CharField:
    return forms.CharField(
        label=label, required=required, max_length=100,
        widget=UnfoldAdminTextInputWidget(attrs={"lang": language}),
    )  # fmt: skip


def _count(label: Any, *, most: int, **options: Any) -> forms.IntegerField:
    options = {"required": False, "min_value": 1} | options
    return forms.IntegerField(
        label=label, max_value=most, widget=UnfoldAdminIntegerFieldWidget, **options
    )


def _said(form: forms.Form, name: str) -> dict[str, str]:
    """In the languages in which something was said."""
    told = {each: form.cleaned_data.get(f"{name}_{each.replace('-', '_')}") for each in LANGUAGES}
    return {language: text for language, text in told.items() if text}


def _saying(name: str, texts: dict[str, str]) -> dict[str, str]:
    return {f"{name}_{each.replace('-', '_')}": texts.get(each, "") for each in LANGUAGES}


class DrawForm(forms.Form):
    """A draft of a draw, without its prizes. What makes no sense of it, the operation says."""

    revision = forms.IntegerField(required=False, widget=forms.HiddenInput)
    code = forms.SlugField(
        label=_("Code"), max_length=CODE_MAX, widget=UnfoldAdminTextInputWidget,
        help_text=_("Stands in the address of its page, and in the recipe by which it is checked."),
    )  # fmt: skip
    name_zh_hans = _names(_("Name in Simplified Chinese"), "zh-Hans", required=True)
    name_zh_hant = _names(_("Name in Traditional Chinese"), "zh-Hant")
    name_en = _names(_("Name in English"), "en")
    description_zh_hans = forms.CharField(
        label=_("Conditions in words, in Simplified Chinese"), required=False, max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )  # fmt: skip
    opens_at = forms.SplitDateTimeField(label=_("Opens"), widget=UnfoldAdminSplitDateTimeWidget)
    closes_at = forms.SplitDateTimeField(label=_("Closes"), widget=UnfoldAdminSplitDateTimeWidget)
    entry_points = _count(
        _("Points to enter"), most=POINTS_MAX, min_value=0, help_text=_("Empty: it is free.")
    )
    needs_ticket = forms.BooleanField(
        label=_("Only with a ticket from the shop"), required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("An item of the shop sells the tickets, to whom and how often it says."),
    )  # fmt: skip
    age_min = _count(_("From age"), most=120)
    limit_count = _count(_("Times at most per member"), most=PIECES_MAX)
    limit_period = forms.ChoiceField(
        label=_("In a period"), required=False, choices=[("", "—"), *Period.choices],
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    budget = forms.DecimalField(
        label=_("Budget"), min_value=0, max_digits=12, decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("What all prizes together may cost; more is not published."),
    )  # fmt: skip

    PLAIN = (
        "opens_at", "closes_at", "needs_ticket", "age_min", "limit_count", "limit_period", "budget",
    )  # fmt: skip

    @classmethod
    def initial_of(cls, draw: Draw) -> dict[str, Any]:
        return {
            **{name: getattr(draw, name) for name in (*cls.PLAIN, "code", "revision")},
            "entry_points": draw.entry_points or None,
            **_saying("name", draw.names),
            "description_zh_hans": draw.description.get("zh-hans", ""),
        }

    def terms(self, prizes: list[Prize], *, before: Draw | None) -> Terms:
        """What a valid form says; `before` keeps what the form does not ask for."""
        given = self.cleaned_data
        told = given["description_zh_hans"]
        return Terms(
            **{name: given[name] for name in self.PLAIN},
            entry_points=given["entry_points"] or 0,
            names=_said(self, "name"),
            description={"zh-hans": told} if told else {},
            funding=tuple(before.funding) if before else (),
            prizes=prizes,
        )


class PrizeForm(forms.Form):
    """A prize level. A row in which nothing is said is no prize."""

    name_zh_hans = _names(_("Name in Simplified Chinese"), "zh-Hans", required=True)
    name_zh_hant = _names(_("Name in Traditional Chinese"), "zh-Hant")
    name_en = _names(_("Name in English"), "en")
    points = _count(_("Points"), most=POINTS_MAX, help_text=_("Of a prize in points."))
    batch = forms.ModelChoiceField(
        label=_("Coupon"), required=False, widget=UnfoldAdminSelectWidget,
        queryset=CouponBatch.objects.exclude(codes_from=CodesFrom.GENERATED).order_by("-pk"),
        help_text=_("Of a prize that is a coupon. Neither points nor a coupon: a thing in kind."),
    )  # fmt: skip
    percent = forms.DecimalField(
        label=_("Odds in per cent"), min_value=0, max_value=100, max_digits=7, decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget,
    )  # fmt: skip
    pieces = _count(_("Pieces"), most=PIECES_MAX, required=True)
    cost = forms.DecimalField(
        label=_("Cost of one"), min_value=0, max_digits=12, decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
    )  # fmt: skip
    is_consolation = forms.BooleanField(
        label=_("Given in place of what is used up."), required=False,
        widget=UnfoldBooleanSwitchWidget,
    )  # fmt: skip

    @staticmethod
    def initial_of(prize: DrawPrize) -> dict[str, Any]:
        return {
            **_saying("name", prize.names),
            "points": prize.points or None,
            "batch": prize.batch_id,
            "percent": percent(prize.parts),
            "pieces": prize.pieces,
            "cost": prize.cost,
            "is_consolation": prize.is_consolation,
        }

    def prize(self) -> Prize:
        given = self.cleaned_data
        return Prize(
            names=_said(self, "name"),
            kind=_kind(given),
            points=given["points"] or 0,
            batch_id=given["batch"].pk if given["batch"] else None,
            # Four places of a per cent are the million's parts.
            parts=int(given["percent"] * PARTS / PERCENT),
            pieces=given["pieces"],
            cost=given["cost"],
            is_consolation=given["is_consolation"],
        )


def _kind(given: dict[str, Any]) -> PrizeKind:
    if given["batch"]:
        return PrizeKind.COUPON
    return PrizeKind.POINTS if given["points"] else PrizeKind.THING


Prizes = forms.formset_factory(
    PrizeForm, extra=PRIZES_MORE, max_num=PRIZES_MAX, validate_max=True,
    can_delete=True,
)  # fmt: skip


def prizes_of(rows: Any) -> list[Prize]:
    """Of valid rows, in their order: those in which something is said, without those struck out."""
    kept = [row for row in rows.forms if row not in rows.deleted_forms]
    return [row.prize() for row in kept if row.initial or row.has_changed()]


class WhyForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=UnfoldAdminTextInputWidget,
        help_text=_("Who decides reads it."),
    )  # fmt: skip


class HandOverForm(forms.Form):
    note = forms.CharField(
        label=_("How"), max_length=NOTE_MAX, required=False, widget=UnfoldAdminTextInputWidget,
        help_text=_("Who took it where, or the shipment number. The winner reads it."),
    )  # fmt: skip

    def __init__(self, owed: DrawOutcome) -> None:
        super().__init__(auto_id=f"owed_{owed.number}_%s")
        if owed.prize and owed.prize.kind == PrizeKind.COUPON:
            told = _("Empty: the coupon is issued now. Else what the winner got in its place.")
            self.fields["note"].help_text = told


class CloseForm(forms.Form):
    code = forms.CharField(label=_("Code"), widget=UnfoldAdminTextInputWidget)
