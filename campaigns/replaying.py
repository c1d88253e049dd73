"""
Dated events played in order under their own clock, with every day's nightly jobs in between.

What happens at an event happens at the event's time: a purchase is judged by the rules of its day,
a redemption finds the points that were good on its day. The night that begins a day runs before
the day's first event, for each day from the first event's on, empty days too, because something
may lapse on them.

Events carry references, and nights may run twice, so playing the same file again changes nothing.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from campaigns import activities, cells, operations
from campaigns.operations import Purchase, Return
from common import jobs
from common.errors import DomainError, Invalid
from common.tables import Row, Table
from members import operations as members
from members import queries as members_queries
from members.numbers import looks_like_one
from members.queries import Identity, UnknownMember
from partners.models import Store
from points import operations as points

COLUMNS = ("at", "kind", "member", "reference", "amount", "points", "original")
# Only who has activities need have it.
ACTIVITY = "activity"


class OutOfOrder(Invalid):
    code = "out_of_order"
    message = _("The event is older than the one before it (%(before)s).")


class UnknownKind(Invalid):
    code = "unknown_kind"
    message = _("An event is a purchase, a return, a redemption or an activity.")


class SuperfluousValue(Invalid):
    code = "superfluous_value"
    message = _("A %(kind)s has no “%(column)s”.")


# --- The clock ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Nights:
    """Runs each day's nightly jobs once, in order. `latest` is the day whose night has been."""

    latest: date | None = None

    def begin(self, day: date) -> None:
        """Run the nights that are left up to the one that begins `day`; at first only that one."""
        night = self.latest + timedelta(days=1) if self.latest else day
        while night <= day:
            for job in jobs.nightly_jobs():
                if not job.upkeep:
                    job(day=night)
            self.latest = night
            night += timedelta(days=1)


# --- A file of events -----------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    events: int = 0
    posted: int = 0
    repeated: int = 0
    enrolled: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one row. `refusal` is None when it was posted, now or before."""

    row: Row
    refusal: DomainError | None


def replay(
    *,
    table: Table,
    store: Store,
    enroll: bool,
    until: date | None,
    not_after: datetime | None,
    report: Report,
) -> Iterator[Played]:
    """
    Play a file of events into `report`, yielding after each row.

    :param until: go on with the nights to this day after the last event
    :param not_after: refuse events after this moment; None: the future may be played, too
    """
    player = _Player(table, store, report, enroll=enroll, not_after=not_after)
    nights = Nights()
    for row in table.rows():
        report.events += 1
        try:
            at = player.time_of(row)
            nights.begin(localdate(at))
            player.play(row, at)
        except DomainError as refusal:
            report.refused[refusal.code] += 1
            yield Played(row, refusal)
        else:
            yield Played(row, None)
    if until and nights.latest:
        nights.begin(until)


class _Player:
    def __init__(
        self,
        table: Table,
        store: Store,
        report: Report,
        *,
        enroll: bool,
        not_after: datetime | None,
    ) -> None:
        columns = (*COLUMNS, ACTIVITY) if ACTIVITY in table.header else COLUMNS
        self._positions = table.positions(columns)
        self._store = store
        self._report = report
        self._enroll = enroll
        self._not_after = not_after
        self._source = points.Source(issuer_id=store.organization_id, store_id=store.pk)
        self._before: datetime | None = None

    def time_of(self, row: Row) -> datetime:
        """
        Read an event's time, and go on to it.

        :raises OutOfOrder: if the row before it is later
        """
        at = cells.moment(self._cell(row, "at"))
        if self._before and at < self._before:
            raise OutOfOrder(before=self._before.isoformat())
        if self._not_after and at > self._not_after:
            raise points.DatedInFuture
        self._before = at
        return at

    def play(self, row: Row, at: datetime) -> None:
        kind = self._cell(row, "kind")
        if kind == "purchase":
            was_repeat = self._purchase(row, at)
        elif kind == "return":
            was_repeat = self._return(row, at)
        elif kind == "redemption":
            was_repeat = self._redemption(row, at)
        elif kind == "activity":
            was_repeat = self._activity(row, at)
        else:
            raise UnknownKind
        if was_repeat:
            self._report.repeated += 1
        else:
            self._report.posted += 1

    def _purchase(self, row: Row, at: datetime) -> bool:
        self._refuse_values(row, "points", "original", ACTIVITY)
        amount = cells.amount(self._cell(row, "amount"))
        with transaction.atomic():  # a newcomer joins with what they did or not at all
            member, is_new = self._member_or_newcomer(row, at)
            posted = operations.post_purchase(
                purchase=Purchase(
                    member=member,
                    reference=self._cell(row, "reference"),
                    at=at,
                    amount=amount,
                    source=self._source,
                ),
                now=at,
            )
        self._report.enrolled += is_new
        return posted.replayed

    def _return(self, row: Row, at: datetime) -> bool:
        self._refuse_values(row, "points", ACTIVITY)
        member = self._member(row)
        posted = operations.post_return(
            returned=Return(
                purchase=operations.find_purchase(
                    issuer_id=self._source.issuer_id, reference=self._cell(row, "original")
                ),
                member=member,
                reference=self._cell(row, "reference"),
                at=at,
                amount=cells.amount(self._cell(row, "amount")),
                source=self._source,
            ),
            now=at,
        )
        return posted.replayed

    def _redemption(self, row: Row, at: datetime) -> bool:
        self._refuse_values(row, "amount", "original", ACTIVITY)
        reference = self._cell(row, "reference")
        posting = points.redeem(
            member=self._member(row),
            points=cells.points(self._cell(row, "points")),
            at=at,
            reference=reference,
            source=self._source,
        )
        return posting.replayed

    def _activity(self, row: Row, at: datetime) -> bool:
        self._refuse_values(row, "amount", "points", "original")
        with transaction.atomic():
            member, is_new = self._member_or_newcomer(row, at)
            granted = activities.post_activity(
                done=activities.Done(
                    member=member,
                    code=self._cell(row, ACTIVITY),
                    reference=self._cell(row, "reference"),
                    at=at,
                    source=self._source,
                ),
                now=at,
            )
        self._report.enrolled += is_new
        return granted.posted.replayed

    def _member_or_newcomer(self, row: Row, at: datetime) -> tuple[Identity, bool]:
        try:
            return self._member(row), False
        except UnknownMember:
            number = self._cell(row, "member")
            # One of our own numbers, mistyped or nobody's, is a mistake, not a customer to enroll.
            if not self._enroll or looks_like_one(number) or not cells.names_a_customer(number):
                raise
        enrolled = members.enroll_many(
            newcomers=[members.Newcomer(external_number=number, joined_at=at)],
            organization_id=self._store.organization_id,
            store_id=self._store.pk,
        )
        return enrolled[number], True

    def _member(self, row: Row) -> Identity:
        number = self._cell(row, "member")
        if not cells.names_a_customer(number):
            raise UnknownMember
        return members_queries.identify_in_file(number, organization_id=self._store.organization_id)

    def _refuse_values(self, row: Row, *columns: str) -> None:
        """A value where none should be is a mistake in the file, not something to pass over."""
        for column in columns:
            if self._cell(row, column):
                raise SuperfluousValue(kind=self._cell(row, "kind"), column=column)

    def _cell(self, row: Row, column: str) -> str:
        position = self._positions.get(column)
        if position is None:
            return ""
        if position in row.faults:
            raise row.faults[position]
        return row.cells[position].strip()
