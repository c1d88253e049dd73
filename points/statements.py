"""
A line of the statement, explained in sentences in the reader's language.

Lines are plain values, so a template that shows them cannot start a query; everything told here
stands in the entry and its activity, as it was judged on its day.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.amounts import money
from members.models import Member
from points import queries
from points.models import Activity, Entry, EntryKind
from programme import queries as programme
from programme.policies import NEVER


@dataclass(frozen=True, slots=True)
class Line:
    """What a page shows of an entry."""

    seq: int
    kind: str
    title: str
    points: int
    balance_after: int
    at: datetime
    store: str
    document: str
    sentences: tuple[str, ...]
    # A credit's last good day; None for debits and for points that never lapse.
    expires_on: date | None
    # The day on which a late line was written down; None if it came in on its own day.
    recorded_on: date | None

    @property
    def explanation(self) -> str:
        """The sentences as one text. A Chinese full stop brings its own space."""
        return " ".join(self.sentences).replace("。 ", "。")


def explain(entry: Entry, *, currency: str = "CNY", taken_over_on: date | None = None) -> Line:
    """
    Tell what an entry was and why it has these points.

    :param entry: with `store` and `activity` selected, as `queries.statement` does
    :param taken_over_on: see `queries.taken_over_on`; what was recorded on that day is not late
    """
    recorded_on = localdate(entry.recorded_at)
    late = (
        # The night writes down yesterday's expiry; nobody calls that late.
        entry.kind != EntryKind.EXPIRE
        and recorded_on > localdate(entry.effective_at)
        and recorded_on != taken_over_on
    )
    return Line(
        seq=entry.seq,
        kind=entry.kind,
        title=_title(entry),
        points=entry.points,
        balance_after=entry.balance_after,
        at=localtime(entry.effective_at),
        store=entry.store.name if entry.store else "",
        document=_document(entry),
        sentences=tuple(_sentences(entry, currency)),
        expires_on=entry.expires_on if entry.expires_on != NEVER else None,
        recorded_on=recorded_on if late else None,
    )


def lines(entries: Iterable[Entry], *, member: Member) -> list[Line]:
    """Explain a member's entries, in the programme's currency."""
    installed = programme.programme()
    currency = installed.currency if installed else "CNY"
    taken_over_on = queries.taken_over_on(member.pk, joined_at=member.joined_at)
    return [explain(entry, currency=currency, taken_over_on=taken_over_on) for entry in entries]


def _title(entry: Entry) -> str:
    if entry.kind == EntryKind.EARN:
        return _("Purchase") if entry.activity else _("Points credited")
    return {
        EntryKind.REDEEM: _("Redemption"),
        EntryKind.REVERSE: _("Return"),
        EntryKind.ADJUST: _("Correction"),
        EntryKind.EXPIRE: _("Expired"),
        EntryKind.FORFEIT: _("Forfeited"),
    }[EntryKind(entry.kind)]


def _document(entry: Entry) -> str:
    # A correction's reference is a name between our own pages, no document anybody holds.
    return "" if entry.kind == EntryKind.ADJUST else entry.reference or ""


def _sentences(entry: Entry, currency: str) -> Iterator[str]:
    if entry.activity and entry.kind == EntryKind.EARN:
        yield from _purchase(entry.activity, currency)
    elif entry.activity and entry.kind == EntryKind.REVERSE:
        yield from _return(entry, entry.activity, currency)
    elif entry.kind == EntryKind.ADJUST:
        yield _("Corrected by our staff: %(reason)s.") % {"reason": entry.get_reason_display()}
    elif entry.kind == EntryKind.EXPIRE:
        # Effective at the first moment after the last good day.
        last_day = localdate(entry.effective_at) - timedelta(days=1)
        yield _("These points could be used until %(day)s.") % {"day": day(last_day)}
    elif entry.kind == EntryKind.FORFEIT:
        yield _("The membership ended; the points that were left ended with it.")
    # What staff note at a correction is for staff; what a redemption bought is for its member.
    if entry.note and entry.kind != EntryKind.ADJUST:
        yield entry.note
    if entry.points < 0 and entry.balance_after < 0:
        yield _("The balance is below zero; the next points make up for it first.")


def day(value: date) -> str:
    """A day as the active language writes it."""
    return date_format(value, "DATE_FORMAT")


def _purchase(activity: Activity, currency: str) -> Iterator[str]:
    explanation = activity.explanation
    yield _("You paid %(amount)s.") % {"amount": money(activity.amount, currency)}
    yield from _rules(explanation.get("lines", []), currency)
    if rounded := _rounding(explanation):
        yield rounded


def _return(entry: Entry, activity: Activity, currency: str) -> Iterator[str]:
    explanation = activity.explanation
    yield _("%(amount)s of purchase %(document)s was returned.") % {
        "amount": money(activity.amount, currency),
        "document": explanation.get("purchase", ""),
    }
    worth = explanation.get("points", 0)
    yield ngettext(
        "What you kept of it is worth %(points)s point.",
        "What you kept of it is worth %(points)s points.",
        worth,
    ) % {"points": f"{worth:,}"}
    if entry.points > activity.points:
        yield _("Points that had expired or were written off are not taken back.")


def _rules(lines: list[dict[str, Any]], currency: str) -> Iterator[str]:
    """One sentence for each rate: what was bought at it and what that makes before rounding."""
    by_rate: dict[tuple[str, str] | None, list[dict[str, Any]]] = {}
    for line in lines:
        rate = (line["points"], line["per_amount"]) if line["rule"] else None
        if rate is not None and Decimal(rate[0]) == 0:
            rate = None
        by_rate.setdefault(rate, []).append(line)
    for rate, bought in by_rate.items():
        amount = sum((Decimal(line["amount"]) for line in bought), Decimal(0))
        if rate is None:
            yield _("%(amount)s earn no points.") % {"amount": money(amount, currency)}
            continue
        points, per_amount = rate
        told = {
            "amount": money(amount, currency),
            "points": points,
            "per": _short_money(Decimal(per_amount), currency),
            "exact": _plain(sum((Decimal(line["exact"]) for line in bought), Decimal(0))),
        }
        if len(by_rate) == 1:
            yield _("Points: %(points)s for every %(per)s.") % told
        else:
            yield _("%(amount)s at %(points)s for every %(per)s: %(exact)s points.") % told


def _rounding(explanation: dict[str, Any]) -> str:
    """How the exact points became whole ones; empty when they were whole."""
    rounding = explanation.get("rounding")
    if not rounding or Decimal(explanation["exact"]) == explanation["points"]:
        return ""
    sentence = {
        ("down", "document"): _("%(exact)s points, rounded down to %(points)s."),
        ("up", "document"): _("%(exact)s points, rounded up to %(points)s."),
        ("half_up", "document"): _("%(exact)s points, rounded to %(points)s."),
        ("down", "line"): _("%(exact)s points; each line rounded down, that makes %(points)s."),
        ("up", "line"): _("%(exact)s points; each line rounded up, that makes %(points)s."),
        ("half_up", "line"): _("%(exact)s points; each line rounded, that makes %(points)s."),
    }[rounding["mode"], rounding["per"]]
    return sentence % {
        "exact": _plain(Decimal(explanation["exact"])),
        "points": f"{explanation['points']:,}",
    }


def _short_money(amount: Decimal, currency: str) -> str:
    """10.00 → 10 yuan: rates read better without cents that are zero."""
    if amount != amount.to_integral_value():
        return money(amount, currency)
    text = f"{amount:,.0f}"
    return _("%(amount)s yuan") % {"amount": text} if currency == "CNY" else f"{currency} {text}"


def _plain(number: Decimal) -> str:
    """26.80 → 26.8"""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
