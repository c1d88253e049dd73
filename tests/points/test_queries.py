"""What the ledger answers, today and as of any other day."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from points import operations, queries
from points.models import ActivityKind, AdjustmentReason
from tests.factories import buy, identity, lot, main_store, plain, source, staff
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")


def noon(year, month, day):
    return datetime(year, month, day, 12, tzinfo=SHANGHAI)


def redeem(of, points, at, reference):
    operations.redeem(member=of, points=points, at=at, reference=reference, source=source())


def figures(totals):
    return (
        totals.earned,
        totals.redeemed,
        totals.taken_back,
        totals.expired,
        totals.outstanding,
    )


class TestAsOf:
    @pytest.fixture
    def of(self):
        """Two lots, a redemption, a lapse that nobody has swept."""
        of = identity()
        lot(of, 100, at=noon(2026, 1, 10), expires_on=date(2026, 3, 31))
        lot(of, 50, at=noon(2026, 2, 10), expires_on=date(2026, 12, 31))
        redeem(of, 30, noon(2026, 3, 1), "R1")
        return of

    DAYS = [
        (date(2026, 1, 9), 0, (0, 0, 0, 0, 0)),
        (date(2026, 1, 10), 100, (100, 0, 0, 0, 100)),
        (date(2026, 2, 28), 150, (150, 0, 0, 0, 150)),
        (date(2026, 3, 1), 120, (150, 30, 0, 0, 120)),
        (date(2026, 3, 31), 120, (150, 30, 0, 0, 120)),
        (date(2026, 4, 1), 50, (150, 30, 0, 70, 50)),
        (date(2026, 12, 31), 50, (150, 30, 0, 70, 50)),
        (date(2027, 1, 1), 0, (150, 30, 0, 120, 0)),
        (date.max, 0, (150, 30, 0, 120, 0)),
    ]

    @pytest.mark.parametrize(
        "swept_on", [None, date(2026, 4, 1), date(2026, 9, 1), date(2028, 1, 1)]
    )
    def test_answers_are_the_same_whenever_the_night_swept(self, of, swept_on):
        if swept_on:
            operations.expire(low=of.id, high=of.id, on=swept_on)

        for day, balance, expected in self.DAYS:
            assert queries.balance_as_of(of.id, day) == balance, day
            assert figures(queries.totals(as_of=day, member_id=of.id)) == expected, day
            assert figures(queries.totals(as_of=day)) == expected, day

    def test_the_whole_ledger_is_the_sum_of_its_members(self, of):
        other = identity()
        lot(other, 7, at=noon(2026, 1, 10), expires_on=date(2026, 1, 31))

        assert figures(queries.totals(as_of=date(2026, 4, 1))) == (157, 30, 0, 77, 50)
        assert figures(queries.totals(as_of=date(2026, 4, 1), member_id=other.id)) == (
            7,
            0,
            0,
            7,
            0,
        )

    def test_a_day_ends_at_midnight_in_the_programmes_zone(self):
        of = identity()
        lot(of, 1, at=datetime(2026, 5, 31, 23, 59, 59, 999999, tzinfo=SHANGHAI))
        lot(of, 2, at=datetime(2026, 6, 1, 0, 0, tzinfo=SHANGHAI))
        lot(of, 4, at=datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC))

        assert queries.balance_as_of(of.id, date(2026, 5, 30)) == 0
        assert queries.balance_as_of(of.id, date(2026, 5, 31)) == 1
        assert queries.balance_as_of(of.id, date(2026, 6, 1)) == 7

    def test_a_debt_is_told_as_one(self):
        of = identity()
        plain()
        buy(of, "300.00", reference="P", at=noon(2026, 1, 1))
        redeem(of, 30, noon(2026, 1, 2), "R")
        give_back("P", "200.00", reference="B", at=noon(2026, 1, 3))

        assert queries.balance_as_of(of.id, date(2026, 1, 3)) == -20
        assert figures(queries.totals(as_of=date(2026, 1, 3))) == (30, 30, 20, 0, -20)

    def test_corrections_and_forfeits_have_their_columns(self):
        of, by = identity(), staff()
        for points, reference in ((100, "up"), (-30, "down")):
            operations.adjust(
                member=of,
                points=points,
                at=noon(2026, 1, 1),
                expires_on=date(2027, 1, 31),
                reason=AdjustmentReason.MISSED,
                note="",
                reference=reference,
                source=source(),
                by=by,
            )
        operations.forfeit(member_id=of.id, at=noon(2026, 1, 2))

        assert figures(queries.totals(as_of=date(2026, 1, 1))) == (100, 0, 30, 0, 70)
        assert figures(queries.totals(as_of=date(2026, 1, 2))) == (100, 0, 30, 70, 0)

    def test_an_empty_ledger_is_all_zeros(self):
        assert figures(queries.totals(as_of=date(2026, 1, 1))) == (0, 0, 0, 0, 0)
        assert queries.balance_as_of(404, date(2026, 1, 1)) == 0
        assert queries.balance(404) == 0
        assert queries.spendable_points(404, on=date(2026, 1, 1)) == 0

    @pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Sao_Paulo", "Europe/Berlin"])
    def test_python_and_the_database_agree_when_a_day_ends(self, settings, zone):
        """The sweep dates its entries in SQL, the questions are asked from Python."""
        settings.TIME_ZONE = zone
        days = [date(1990, 1, 1) + timedelta(days=n) for n in range(20_000)]

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT array_agg((day + 1)::timestamp AT TIME ZONE %s ORDER BY nth)"
                " FROM unnest(%s::date[]) WITH ORDINALITY AS days (day, nth)",
                [zone, days],
            )
            # In UTC: Python calls no moment of another zone equal to one a clock jumps over.
            assert cursor.fetchone()[0] == [queries.end_of_day(day).astimezone(UTC) for day in days]


class TestSpendable:
    def test_lapsed_points_do_not_count_swept_or_not(self):
        of = identity()
        lot(of, 100, expires_on=date(2026, 6, 30))
        lot(of, 50, expires_on=date(2026, 12, 31))

        assert queries.spendable_points(of.id, on=date(2026, 6, 30)) == 150
        assert queries.spendable_points(of.id, on=date(2026, 7, 1)) == 50
        assert queries.balance(of.id) == 150

    def test_lots_come_in_the_order_of_spending(self):
        of = identity()
        for points, day in ((1, 9), (2, 7), (3, 7), (4, 5)):
            lot(of, points, expires_on=date(2026, 7, day))

        found = queries.lots(of.id, on=date(2026, 7, 6))

        assert [lot.remaining for lot in found] == [2, 3, 1]

    def test_expiries_are_added_up_by_day_and_never_means_never(self):
        of = identity()
        for points, day in ((1, date(2026, 9, 30)), (2, date(2026, 7, 31)), (3, date(2026, 7, 31))):
            lot(of, points, expires_on=day)
        lot(of, 9, expires_on=date.max)

        assert queries.expiries(of.id, on=date(2026, 7, 31)) == [
            queries.Expiry(date(2026, 7, 31), 5),
            queries.Expiry(date(2026, 9, 30), 1),
        ]
        assert queries.expiries(of.id, on=date(2026, 8, 1), limit=1) == [
            queries.Expiry(date(2026, 9, 30), 1)
        ]


class TestStatement:
    def test_runs_from_the_latest_posting_back(self):
        of = identity()
        lot(of, 1, at=noon(2026, 5, 1))
        lot(of, 2, at=noon(2026, 4, 1))

        assert [entry.seq for entry in queries.statement(of.id)] == [2, 1]

    def test_costs_one_query_with_what_a_page_shows(self, django_assert_num_queries):
        of = identity()
        plain()
        for _ in range(5):
            buy(of, "10.00")

        with django_assert_num_queries(1):
            shown = [
                (e.store.name, e.activity.reference, e.actor) for e in queries.statement(of.id)
            ]
        assert len(shown) == 5


class TestJournal:
    def test_finds_a_document_by_issuer_kind_and_name(self):
        of = identity()
        plain()
        buy(of, "10.00", reference="P")
        issuer = main_store().organization_id

        found = queries.activity(issuer_id=issuer, kind=ActivityKind.PURCHASE, reference="P")

        assert (found.reference, queries.entry_of(found).points) == ("P", 1)
        for other in (
            {"issuer_id": issuer + 1},
            {"kind": ActivityKind.RETURN},
            {"reference": "p"},
        ):
            asked = {"issuer_id": issuer, "kind": ActivityKind.PURCHASE, "reference": "P"} | other
            assert queries.activity(**asked) is None

    def test_what_was_worth_nothing_has_no_entry(self):
        of = identity()
        plain()
        buy(of, "9.99", reference="P")
        issuer = main_store().organization_id

        found = queries.activity(issuer_id=issuer, kind=ActivityKind.PURCHASE, reference="P")

        assert (found.points, queries.entry_of(found)) == (0, None)
