"""
A line of the statement, explained in sentences in the reader's language.

Lines are plain values, so a template that shows them cannot start a query. What they tell stands in
the entry and its activity, as it was judged on its day, and in the entries it names, which are read
for a whole page at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.timezone import localdate, localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from members.models import Member
from points.models import ActivityKind, Entry, EntryKind, PointType
from points.statements._accounts import OnAccount, OpenHold, OpenLot, Waiting, on_account
from points.statements._around import Around, around
from points.statements._campaigns import name_campaigns_by
from points.statements._days import day, moment
from points.statements._kinds import Reader, sentences
from points.statements._purchases import name_rules_by
from programme import queries as programme
from programme.policies import NEVER

__all__ = [
    "Around",
    "Figure",
    "Line",
    "OnAccount",
    "OpenHold",
    "OpenLot",
    "Reader",
    "Waiting",
    "around",
    "aside",
    "day",
    "explain",
    "lines",
    "name_campaigns_by",
    "name_rules_by",
    "on_account",
    "taken_over_on",
]


@dataclass(frozen=True, slots=True)
class Figure:
    """Points as a line shows them; those with a `label` are no part of the balance."""

    points: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What a page shows of an entry."""

    seq: int
    kind: str
    title: str
    points: int
    figures: tuple[Figure, ...]
    balance_after: int
    at: datetime
    # What the calendar did: its time of day says nothing.
    is_by_day: bool
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


def lines(
    entries: Sequence[Entry], *, member: Member, account: OnAccount | None = None
) -> list[Line]:
    """
    Explain a member's entries to the member, in the programme's currency.

    :param account: if it was read already
    """
    installed = programme.programme()
    reader = Reader(currency=installed.currency if installed else "CNY")
    first = (member.pk, 1)
    # It is asked only of what came in late whether it was brought over.
    has_late = any(localdate(each.recorded_at) > localdate(each.effective_at) for each in entries)
    told = around(
        entries, accounts=[account] if account else None, also=[first] if has_late else []
    )
    taken_over = taken_over_on(told.entries.get(first), member=member)
    return [explain(entry, told, reader, taken_over_on=taken_over) for entry in entries]


def taken_over_on(first: Entry | None, *, member: Member) -> date | None:
    """
    The day on which a member's history was brought over from an older system; None if it was not.

    The very first entry tells: it was written down on a later day than it happened, to someone who
    belonged by then. The lines of that day are not called late.
    """
    if first is None:
        return None
    happened_on, recorded_on = localdate(first.effective_at), localdate(first.recorded_at)
    if localdate(member.joined_at) <= happened_on < recorded_on:
        return recorded_on
    return None


def explain(
    entry: Entry, told: Around, reader: Reader, *, taken_over_on: date | None = None
) -> Line:
    """
    Tell what an entry was and why it has these points.

    :param entry: with `store` and `activity` selected, as `queries.statement` does
    :param told: what was read for the page the entry is on
    :param taken_over_on: see `taken_over_on`; what was recorded on that day is not late
    """
    recorded_on = localdate(entry.recorded_at)
    is_by_day = entry.kind == EntryKind.EXPIRE or (
        entry.kind == EntryKind.VEST and entry.reference is None
    )
    late = (
        # The night writes down what yesterday ended; nobody calls that late.
        not (is_by_day or entry.kind == EntryKind.RELEASE)
        and recorded_on > localdate(entry.effective_at)
        and recorded_on != taken_over_on
    )
    return Line(
        seq=entry.seq,
        kind=entry.kind,
        title=_title(entry),
        points=entry.points,
        figures=tuple(_figures(entry)),
        balance_after=entry.balance_after,
        at=localtime(entry.effective_at),
        is_by_day=is_by_day,
        store=entry.store.name if entry.store else "",
        document=_document(entry),
        sentences=tuple(sentences(entry, told, reader)),
        expires_on=entry.expires_on if entry.expires_on != NEVER else None,
        recorded_on=recorded_on if late else None,
    )


def aside(account: OnAccount) -> list[str]:
    """Tell what of an account is not in its balance: what waits, and what is held."""
    held = [
        ngettext(
            "%(points)s point set aside at a till until %(at)s",
            "%(points)s points set aside at a till until %(at)s",
            hold.points,
        )
        % {"points": f"{hold.points:,}", "at": moment(hold.until)}
        for hold in account.holds
    ]
    return [_waiting(account), *held] if account.pending else held


def _waiting(account: OnAccount) -> str:
    days = [each.vests_on for each in account.waiting if each.vests_on]
    first = min(days, default=None)
    soonest = sum(each.points for each in account.waiting if each.vests_on == first)
    numbers = {"points": f"{account.pending:,}", "some": f"{soonest:,}"}
    if first is None:
        return (
            ngettext("%(points)s point waiting", "%(points)s points waiting", account.pending)
            % numbers
        )
    if soonest == account.pending:
        return ngettext(
            "%(points)s point waiting, until %(day)s",
            "%(points)s points waiting, until %(day)s",
            account.pending,
        ) % {**numbers, "day": day(first)}
    return _("%(points)s points waiting, the first %(some)s until %(day)s") % {
        **numbers,
        "day": day(first),
    }


def _title(entry: Entry) -> str:
    if entry.kind == EntryKind.EARN:
        if entry.activity and entry.activity.kind == ActivityKind.PURCHASE:
            return _("Purchase")
        if entry.type in (PointType.INITIAL, PointType.ACTIVITY):
            return entry.get_type_display()
        return _("Points credited")
    return {
        EntryKind.VEST: _("Points can be spent now"),
        EntryKind.REDEEM: _("Redemption"),
        EntryKind.HOLD: _("Set aside"),
        EntryKind.RELEASE: _("Came back"),
        EntryKind.REVERSE: _("Return"),
        EntryKind.REINSTATE: _("Given back"),
        EntryKind.ADJUST: _("Correction"),
        EntryKind.EXPIRE: _("Expired"),
        EntryKind.FORFEIT: _("Forfeited"),
        EntryKind.TRANSFER_OUT: _("Transferred"),
        EntryKind.TRANSFER_IN: _("Received"),
        EntryKind.POOL_OUT: _("Shared"),
        EntryKind.POOL_IN: _("Shared by others"),
        EntryKind.POOL_BACK: _("Shared points back"),
        EntryKind.MERGE_OUT: _("Accounts joined"),
        EntryKind.MERGE_IN: _("Accounts joined"),
        EntryKind.EXTEND: _("New last day"),
    }[EntryKind(entry.kind)]


def _figures(entry: Entry) -> Iterator[Figure]:
    """What changed of the balance; then what waits, and what a hold spent, beside it."""
    waits = entry.pending if entry.kind != EntryKind.VEST else 0
    spent = entry.held if entry.kind == EntryKind.REDEEM else 0
    if entry.points or not (waits or spent):
        yield Figure(entry.points)
    if waits:
        yield Figure(waits, _("waiting"))
    if spent:
        yield Figure(spent, _("of those set aside"))


# The reference of a correction and the like is a name between our own pages, no document that
# anybody holds.
_WITH_DOCUMENT = (EntryKind.EARN, EntryKind.REDEEM, EntryKind.HOLD, EntryKind.REVERSE)


def _document(entry: Entry) -> str:
    return (entry.reference or "") if entry.kind in _WITH_DOCUMENT else ""
