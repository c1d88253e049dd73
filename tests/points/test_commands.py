from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from campaigns import operations as campaigns
from common.models import JobRun
from members.models import ExternalNumber
from points import operations
from tests import factories
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
DAY = NOON.date()


@pytest.fixture
def member():
    """Earned 30 + 20, redeemed 35 of both lots, took 5 back."""
    factories.plain()
    member = factories.identity()
    factories.buy(member, "300.00", reference="P-1")
    factories.buy(member, "200.00", reference="P-2", at=NOON + timedelta(days=40))
    source = factories.source()
    operations.redeem(
        member=member, points=35, at=NOON + timedelta(days=41), reference="R-1", source=source
    )
    give_back(member, "P-2", "50.00", at=NOON + timedelta(days=42))
    return member


def give_back(member, reference, amount, *, at):
    source = factories.source()
    campaigns.post_return(
        returned=campaigns.Return(
            purchase=campaigns.find_purchase(issuer_id=source.issuer_id, reference=reference),
            member=member,
            reference=f"{reference}-T",
            at=at,
            amount=Decimal(amount),
            source=source,
        ),
        now=at,
    )


def ledger_totals(*options):
    out = StringIO()
    call_command("ledger_totals", *options, stdout=out)
    return out.getvalue()


class TestLedgerTotals:
    def test_one_line_for_each_day_in_the_order_asked(self, member):
        assert ledger_totals("--as-of=2026-12-31", "--as-of=2026-06-14", "--as-of=2027-08-01") == (
            "as_of,earned,redeemed,taken_back,expired,outstanding\n"
            "2026-12-31,50,35,5,0,10\n"
            "2026-06-14,0,0,0,0,0\n"
            "2027-08-01,50,35,5,10,0\n"
        )

    def test_today_unless_told(self, member):
        today = timezone.localdate()

        assert ledger_totals() == ledger_totals(f"--as-of={today}")

    def test_one_member_by_either_number(self, member):
        other = factories.identity()
        factories.lot(other, 7)
        ExternalNumber.objects.create(
            organization=factories.brand(), number="客户𠮷", member_id=other.id
        )

        theirs = ledger_totals("--as-of=2026-12-31", "--member", "客户𠮷")

        assert theirs.endswith("2026-12-31,7,0,0,0,7\n")
        assert ledger_totals("--as-of=2026-12-31", f"--member={other.number}") == theirs
        assert ledger_totals("--as-of=2026-12-31").endswith("2026-12-31,57,35,5,0,17\n")

    @pytest.mark.parametrize("number", ["nobody", "M0000000018", "", "x\n"])
    def test_an_unknown_member(self, member, number):
        with pytest.raises(CommandError, match="unknown_member"):
            ledger_totals("--member", number)

    @pytest.mark.parametrize("day", ["2026-02-30", "yesterday", ""])
    def test_a_day_that_is_none(self, member, day):
        with pytest.raises(CommandError, match="as-of"):
            ledger_totals(f"--as-of={day}")


def verify(*options):
    """The lines printed, and whether the command failed."""
    out = StringIO()
    try:
        call_command("verify_ledger", *options, stdout=out, stderr=StringIO())
    except CommandError:
        return out.getvalue().splitlines(), True
    return out.getvalue().splitlines(), False


def break_ledger(table, statement, *arguments):
    """Write past the application's rights, as only somebody with the owner's password could."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement, arguments)
        assert cursor.rowcount > 0
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


class TestVerifyLedger:
    DAY = "--day=2026-12-31"

    def test_a_true_ledger_has_no_difference(self, member):
        factories.lot(factories.identity(), 5)

        assert verify(self.DAY) == (["2 accounts, no difference"], False)
        assert verify(self.DAY, "--range-size=1") == (["2 accounts, no difference"], False)

    @pytest.mark.parametrize(
        ("equation", "table", "statement"),
        [
            (
                "gapless",
                "points_entry",
                "DELETE FROM points_entry WHERE member_id = %s AND seq = 3",
            ),
            (
                "gapless",
                "points_account",
                "UPDATE points_account SET seq = seq + 1 WHERE member_id = %s",
            ),
            (
                "chain",
                "points_entry",
                "UPDATE points_entry SET balance_after = 51 WHERE member_id = %s AND seq = 2",
            ),
            (
                "balance",
                "points_account",
                "UPDATE points_account SET balance = balance + 1 WHERE member_id = %s",
            ),
            ("lots", "points_lot", "DELETE FROM points_lot WHERE member_id = %s"),
            (
                "shares",
                "points_entry",
                "UPDATE points_entry SET lot_points = '{30,4}' WHERE member_id = %s AND seq = 3",
            ),
            (
                "remaining",
                "points_lot",
                "UPDATE points_lot SET expires_on = expires_on + 31 WHERE member_id = %s",
            ),
        ],
    )
    def test_each_equation_finds_what_breaks_it(self, member, equation, table, statement):
        other = factories.identity()
        factories.lot(other, 5)

        break_ledger(table, statement, member.id)
        lines, failed = verify(self.DAY)

        assert failed
        assert equation in {line.split(",")[0] for line in lines}
        assert {line.split(",")[1] for line in lines} == {member.number}

    def test_points_moved_between_two_lots_are_found_though_all_sums_are_right(self):
        member = factories.identity()
        first, second = factories.lot(member, 10), factories.lot(member, 10)
        factories.lot(member, 10, expires_on=date(2027, 12, 31))
        operations.redeem(
            member=member, points=12, at=NOON, reference="R-1", source=factories.source()
        )

        break_ledger(
            "points_lot",
            "UPDATE points_lot SET remaining = CASE seq WHEN %s THEN 9 ELSE 9 END"
            " WHERE member_id = %s",
            second.seq,
            member.id,
        )

        lines, failed = verify(self.DAY)
        assert failed
        assert set(lines) == {
            f"remaining,{member.number},{second.seq}",
            f"remaining,{member.number},{first.seq + 2}",
        }

    def test_a_lot_the_night_left_behind(self, member):
        # A night that says it is done, though it never came to this lot.
        later = timezone.now() + timedelta(hours=2)
        JobRun.objects.create(
            name="points.expire_due_lots",
            day=date(2027, 8, 1),
            started_at=later,
            finished_at=later,
        )
        assert verify("--day=2027-07-31") == (["1 accounts, no difference"], False)

        lines, failed = verify("--day=2027-08-01")

        assert failed
        assert lines == [f"swept,{member.number},2"]

    def test_a_ledger_of_nothing(self):
        assert verify() == (["0 accounts, no difference"], False)

    @pytest.mark.parametrize("size", ["0", "-1", "many"])
    def test_a_range_is_at_least_one_member(self, size):
        with pytest.raises(CommandError, match="range-size"):
            call_command("verify_ledger", f"--range-size={size}")
