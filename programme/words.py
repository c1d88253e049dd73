"""A version's policies in words, in the active language."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from programme.policies import (
    POINTS_MAX,
    BillTerms,
    Cycle,
    ForMonths,
    FundingShare,
    GroupTerms,
    Inactivity,
    Joining,
    Lead,
    Notices,
    OrderTerms,
    Policies,
    TransferLimit,
    UntilDate,
    UntilDayOfYear,
    Validity,
    Vesting,
)

ROUNDED = {
    ("down", "document"): gettext_lazy("Rounded down, once for the whole document"),
    ("half_up", "document"): gettext_lazy("Rounded half up, once for the whole document"),
    ("up", "document"): gettext_lazy("Rounded up, once for the whole document"),
    ("down", "line"): gettext_lazy("Rounded down, for each line"),
    ("half_up", "line"): gettext_lazy("Rounded half up, for each line"),
    ("up", "line"): gettext_lazy("Rounded up, for each line"),
}
_AFTER_SPENDING = {
    "debt": gettext_lazy("the balance goes below zero; the next points make up for it"),
    "write_off": gettext_lazy("what is missing is written off"),
    "refuse": gettext_lazy("the return is refused"),
}
_JOINING = {
    Joining.OPEN: gettext_lazy("is a member at once"),
    Joining.APPROVED_BY_BRAND: gettext_lazy("applies, and the brand's staff decide"),
    Joining.APPROVED_BY_DEALER: gettext_lazy(
        "applies, and staff of the dealer or the brand decide"
    ),
}
_AFTER_EARNING = {
    "day": gettext_lazy("%(time)s after the day they were earned"),
    "month_end": gettext_lazy("%(time)s, to the end of that month"),
    "quarter_end": gettext_lazy("%(time)s, to the end of that quarter"),
    "year_end": gettext_lazy("%(time)s, to the end of that year"),
}
_AFTER_ACTIVITY = {
    "day": gettext_lazy("%(time)s after the latest activity; then everything lapses"),
    "month_end": gettext_lazy(
        "%(time)s after the latest activity, to the end of that month; then everything lapses"
    ),
    "quarter_end": gettext_lazy(
        "%(time)s after the latest activity, to the end of that quarter; then everything lapses"
    ),
    "year_end": gettext_lazy(
        "%(time)s after the latest activity, to the end of that year; then everything lapses"
    ),
}
_GROUPS = {
    "FAMILY": gettext_lazy("families of up to %(count)s members"),
    "COMPANY": gettext_lazy("companies of up to %(count)s members"),
}
_SPENDERS = {
    "OWNER": gettext_lazy("the owner"),
    "ADMIN": gettext_lazy("administrators"),
    "MEMBER": gettext_lazy("all others"),
}
_ACTIVITIES = {
    "EARN": gettext_lazy("points earned count as activity"),
    "REDEEM": gettext_lazy("points redeemed count as activity"),
    "TRANSFER_OUT": gettext_lazy("points given away count as activity"),
    "TRANSFER_IN": gettext_lazy("points received from a member count as activity"),
    "ADJUST": gettext_lazy("corrections count as activity"),
}


def policies(
    told: Policies, *, tiers: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[str, list[str]]]:
    """
    Each policy's name and what it says, one line or more.

    :param tiers: what they are called, by code
    """
    return [
        (_("Points live"), validity(told.validity, tiers)),
        (_("Their time runs"), [_clock(told)]),
        (_("Points can be spent"), _vesting(told.vesting)),
        (_("Rounding"), [str(ROUNDED[told.rounding.mode, told.rounding.per])]),
        (
            _("If points of a returned purchase are spent"),
            [after_spending(told)],
        ),
        (_("Points given back"), [_reinstatement(told.reinstatement_days)]),
        (_("Before points lapse"), notices(told.notices)),
        (_("A hold"), [_hold(told.hold_minutes)]),
        (_("Points off a bill"), list(_bills(told.bills))),
        (_("Orders of the shop"), _orders(told.orders)),
        (_("Corrections"), [_adjustments(told.adjustment_limit)]),
        (_("Transfers between members"), _transfers(told.transfer_limits)),
        (_("Families and companies"), list(_groups(told.groups))),
        (_("Who pays"), [_share(share) for share in told.funding]),
        (_("Products are known by"), [_identifiers(told)]),
        (_("Who wants to be forgotten"), [_erasure(told.erasure_days)]),
        (_("Who wants to join"), list(_joining(told))),
    ]


def validity(told: Validity, tiers: Mapping[str, str]) -> list[str]:
    """How long points live, one line or more."""
    match told:
        case ForMonths(months, until, extra_months):
            return [
                str(_AFTER_EARNING[until]) % _months(months),
                *(
                    _("tier %(tier)s: %(time)s longer")
                    % {"tier": tiers.get(tier, tier), **_months(extra)}
                    for tier, extra in extra_months.items()
                ),
            ]
        case UntilDate(day):
            return [_("until %(day)s") % {"day": date_format(day)}]
        case UntilDayOfYear(month, day, years):
            return [_until_day_of_year(month, day, years)]
        case Cycle(years):
            cleared = ngettext(
                "for %(count)s calendar year, that of the first point; then everything is cleared",
                "for %(count)s calendar years, the first point's own included; then everything"
                " is cleared",
                years,
            )
            return [cleared % {"count": years}]
        case Inactivity(months, until, kinds):
            counted = [str(name) for kind, name in _ACTIVITIES.items() if kind in kinds]
            return [str(_AFTER_ACTIVITY[until]) % _months(months), *counted]
    return [_("for ever")]


def _until_day_of_year(month: int, day: int, years: int) -> str:
    next_one = date_format(date(2024, month, day), "MONTH_DAY_FORMAT")
    if years == 1:
        return _("until the next %(day)s") % {"day": next_one}
    told = ngettext(
        "until the next %(day)s and %(count)s year more",
        "until the next %(day)s and %(count)s years more",
        years - 1,
    )
    return told % {"day": next_one, "count": years - 1}


def _identifiers(told: Policies) -> str:
    if told.asks_for_vins:
        return _("a vehicle identification number whose check digit fits")
    return _("any identifier, such as a serial number")


def _groups(groups: Mapping[str, GroupTerms]) -> Iterator[str]:
    if not groups:
        yield _("are not offered")
    for kind, terms in groups.items():
        yield str(_GROUPS[kind]) % {"count": terms.members}
        if terms.spenders:
            spenders = [str(told) for role, told in _SPENDERS.items() if role in terms.spenders]
            yield _("what their members share may spend: %(roles)s") % {
                "roles": pgettext("between the parts of a list", ", ").join(spenders)
            }


def _joining(told: Policies) -> Iterator[str]:
    yield str(_JOINING[told.joining])
    if told.joining != Joining.OPEN and told.application_days:
        lapses = ngettext(
            "an application lapses after %(count)s day",
            "an application lapses after %(count)s days",
            told.application_days,
        )
        yield lapses % {"count": told.application_days}


def _erasure(days: int) -> str:
    if not days:
        return _("is forgotten in the next night")
    told = ngettext(
        "can take it back for %(count)s day", "can take it back for %(count)s days", days
    )
    return told % {"count": days}


def _clock(told: Policies) -> str:
    if told.clock_from_activation:
        return _("from the day they were earned; for pre-registered members from their activation")
    return _("from the day they were earned")


def _vesting(vesting: Vesting) -> list[str]:
    told = [
        _("%(category)s: %(when)s") % {"category": category, "when": _wait(days)}
        for category, days in vesting.categories.items()
    ]
    if not told:
        return [_wait(vesting.days)]
    return [*told, _("everything else: %(when)s") % {"when": _wait(vesting.days)}]


def _wait(days: int | None) -> str:
    if days is None:
        return _("once they are released")
    return _("%(time)s after the purchase") % _days(days) if days else _("at once")


def _reinstatement(days: int) -> str:
    if not days:
        return _("keep their last day")
    return _("keep their last day, but live at least %(time)s more") % _days(days)


def after_spending(told: Policies) -> str:
    """What becomes of points that are spent when their purchase is returned."""
    return str(_AFTER_SPENDING[told.return_after_spending])


def notices(told: Notices) -> list[str]:
    """When members hear that points lapse."""
    said = [_("a notice %(time)s before") % _lead(lead) for lead in told.before]
    if told.required:
        extended = _("no notice, no expiry: without one they live %(time)s longer")
        said.append(extended % _days(told.extension_days))
    return said


def _lead(lead: Lead) -> dict[str, str]:
    return _months(lead.months) if lead.months else _days(lead.days)


def _hold(minutes: int) -> str:
    time = ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    return _("lasts %(time)s unless the till says less") % {"time": time}


def _bills(terms: BillTerms | None) -> Iterator[str]:
    if terms is None:
        yield _("not at the counter")
        return
    yield _("at most %(share)s %% of the bill") % {"share": terms.share}
    if terms.points_min > 1:
        yield _("at least %(points)s points") % {"points": _figure(terms.points_min)}
    if terms.points_max < POINTS_MAX:
        yield _("at most %(points)s points of one bill") % {"points": _figure(terms.points_max)}
    minutes = ngettext("%(count)s minute", "%(count)s minutes", terms.undo_minutes)
    yield _("given back within %(time)s at the counter") % {
        "time": minutes % {"count": terms.undo_minutes}
    }


def _orders(terms: OrderTerms) -> list[str]:
    told = [
        (_("late when not picked %(time)s after it is paid"), terms.pick_days),
        (_("late when neither sent nor ready %(time)s after it is picked"), terms.send_days),
        (_("waits at the store for %(time)s"), terms.collect_days),
        (_("counts as received %(time)s after it was sent"), terms.arrive_days),
        (_("a return can be asked for within %(time)s"), terms.return_days),
        (_("late when a return is not decided within %(time)s"), terms.decide_days),
    ]
    return [sentence % _days(days) for sentence, days in told]


def _adjustments(limit: int | None) -> str:
    if limit is None:
        return _("need one person")
    if not limit:
        return _("always need a second person")
    return _("need a second person above %(points)s points") % {"points": _figure(limit)}


def _transfers(limits: tuple[TransferLimit, ...] | None) -> list[str]:
    if limits is None:
        return [_("not allowed")]
    return [_transfer_limit(limit) for limit in limits]


def _transfer_limit(limit: TransferLimit) -> str:
    told = _days(limit.days)
    if limit.count is not None:
        told["count"] = ngettext("%(count)s transfer", "%(count)s transfers", limit.count) % {
            "count": _figure(limit.count)
        }
    if limit.points is not None:
        told["points"] = _figure(limit.points)
    if limit.points is None:
        return _("at most %(count)s within %(time)s") % told
    if limit.count is None:
        return _("at most %(points)s points within %(time)s") % told
    return _("at most %(count)s and %(points)s points within %(time)s") % told


def _share(share: FundingShare) -> str:
    payers = {
        FundingShare.BRAND: _("the brand"),
        FundingShare.STORE: _("the organization of the store"),
    }
    told = {
        "payer": payers.get(share.payer, share.payer),
        "share": f"{(Decimal(share.basis_points) / 100).normalize():f}",
        "budget": share.budget,
    }
    if not share.budget:
        return _("%(payer)s: %(share)s %%") % told
    return _("%(payer)s: %(share)s %%, from “%(budget)s”") % told


def _months(count: int) -> dict[str, str]:
    return {"time": ngettext("%(count)s month", "%(count)s months", count) % {"count": count}}


def _days(count: int) -> dict[str, str]:
    return {"time": ngettext("%(count)s day", "%(count)s days", count) % {"count": count}}


def _figure(points: int) -> str:
    return number_format(points, force_grouping=True)
