"""What the benchmarks reckon with, and that filling a ledger leaves its tables as they were."""

import pytest
from django.db import connection

from benchmarks import options, seeding
from benchmarks.measuring import Aim, Result, Run
from tests.factories import main_store, plain


def result(rates, yardstick_rates):
    return Result(
        "load",
        "yardstick",
        runs=[Run(rate, 1) for rate in rates],
        yardstick_runs=[Run(rate, 1) for rate in yardstick_rates],
    )


class TestRatios:
    def test_are_of_medians(self):
        row = result([10, 60, 50], [100, 90, 200]).row()

        assert row.ratio == 50 / 100
        assert (row.lowest, row.highest) == (10 / 100, 60 / 90)

    def test_compare_two_loads_by_their_common_yardstick(self):
        fast, slow = result([50], [100]), result([10], [200])

        assert fast.over(slow).ratio == pytest.approx(10)

    @pytest.mark.parametrize(
        ("aim", "ratio", "met"),
        [
            (Aim(0.6), 0.6, True),
            (Aim(0.6), 0.59, False),
            (Aim(2, at_most=True), 2, True),
            (Aim(2, at_most=True), 2.1, False),
            (Aim(0, at_most=True), 0, True),
        ],
    )
    def test_meet_their_aim_or_not(self, aim, ratio, met):
        assert aim.is_met(ratio) is met


class TestOptions:
    def test_name_the_parts_there_are(self):
        with pytest.raises(SystemExit, match="no part spl"):
            options.parse(["only=sql,spl"])

    def test_only_a_full_run_rewrites_the_page(self):
        assert options.parse(["members=1000"]).writes
        assert not options.parse(["only=sql"]).writes
        assert options.parse(["only=sql", "write=1"]).writes


DEFINITIONS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = ANY (%(tables)s::regclass[])
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY (%(tables)s)
    ORDER BY 1, 2
"""


@pytest.mark.django_db(transaction=True)
def test_filling_a_ledger_leaves_its_keys_and_indexes_as_they_were():
    plain()
    main_store()
    with connection.cursor() as cursor:
        cursor.execute(DEFINITIONS, {"tables": list(seeding.LEDGER)})
        before = cursor.fetchall()
        seeding.fill_members(cursor, 1, 10)

        seeding.fill_ledger(cursor, members=10, lots=3)

        cursor.execute(DEFINITIONS, {"tables": list(seeding.LEDGER)})
        assert cursor.fetchall() == before
        cursor.execute("SELECT count(*), sum(points) FROM points_entry")
        entries, points = cursor.fetchone()
        cursor.execute("SELECT sum(balance) FROM points_account")
        assert (entries, points) == (30, cursor.fetchone()[0])
