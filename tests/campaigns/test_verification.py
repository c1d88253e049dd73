"""What budgets have paid is derived anew each night, and a slice that says else is found."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction

from campaigns import gifts, nightly, verification
from campaigns.models import BudgetPurse, BudgetSlice, GiftOccasion
from points import operations as points
from tests.factories import buy, identity, main_store, member, source, staff
from tests.factories.activities import do, kind, named
from tests.factories.plans import campaigning, plan
from tests.factories.points import NOON
from tests.points.returning import give_back

pytestmark = pytest.mark.django_db
DAY = date(2026, 7, 2)
JUNE = datetime(2026, 6, 15, tzinfo=UTC)


@pytest.fixture
def paid():
    """Two budgets and two campaigns that paid for what was bought, done and given, and got back."""
    campaigning(
        plan("spring", "more", "event", "welcome", budget={"points": 1000}),
        plan("winter", "last-year", budget={"points": 1000}, **{
            "from": "2025-12-01", "until": "2025-12-31",
        }),
        rules=[{"code": "base", "points": "1", "per_amount": "1"}],
        boosts=[{"code": "more", "gives": {"percent": "50"}}],
        kinds=[kind("event", 50)],
        gifts=[
            named("welcome", when="joined", points="40"),
            named("last-year", when="year_end", points="1", per_amount="10"),
        ],
        budgets=[named("all", of=["base", "event"], points=5000)],
    )  # fmt: skip
    of = identity()
    buy(of, "300", at=datetime(2025, 8, 1, tzinfo=UTC))
    gifts.convert_spend(year=2025, low=of.id, high=of.id)
    buy(of, "100", at=JUNE, reference="A")
    buy(of, "100", at=JUNE, reference="B")
    do(of, "event", at=JUNE)
    gifts.give(member_id=member().pk, occasion=GiftOccasion.JOINED, at=JUNE)
    give_back("A", "30", reference="R1", at=NOON)
    give_back("A", "40", reference="R2", at=NOON)
    give_back("B", "100", reference="R3", at=NOON)
    return of


def spent():
    return {each.code: (each.held, each.derived) for each in verification.spent()}


def test_what_was_paid_is_what_the_slices_say(paid):
    # 15 of the purchases, 50 of the event and 40 of the gift; 300 + 30 + 50; 300 / 10.
    assert spent() == {"spring": (105, 105), "all": (380, 380), "winter": (30, 30)}
    for _twice in range(2):
        assert nightly.verify_budgets(day=DAY) == {"budgets": 3, "differences": 0}


def test_the_accounts_of_merged_members_are_no_difference(paid):
    points.merge_accounts(
        member=paid, into=identity(), at=NOON, source=source(), by=staff(), note="同一人"
    )

    assert nightly.verify_budgets(day=DAY)["differences"] == 0


@pytest.mark.parametrize("code", ["spring", "all", "winter"])
@pytest.mark.parametrize("off", [1, -1])
def test_a_slice_that_holds_too_much_or_too_little_is_found(paid, code, off, caplog):
    slice_ = BudgetSlice.objects.filter(purse_id=code, remaining__gt=0).first()
    BudgetSlice.objects.filter(pk=slice_.pk).update(remaining=slice_.remaining + off)

    derived = spent()[code][1]
    for _twice in range(2):
        assert nightly.verify_budgets(day=DAY) == {
            "budgets": 3,
            "differences": 1,
            "findings": [f"{code},{derived - off},{derived}"],
        }
    assert "verify_budgets found differences" in caplog.text


def test_a_purse_of_another_size_is_found(paid):
    BudgetPurse.objects.filter(code="all").update(points=5001)

    assert nightly.verify_budgets(day=DAY)["findings"] == ["all,381,380"]


def test_what_was_paid_without_a_purse_is_found():
    campaigning(plan("spring", "event", budget={"points": 100}), kinds=[kind("event", 50)])
    do(identity(), "event", at=JUNE)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("slice", "purse"):
            cursor.execute(f"ALTER TABLE campaigns_budget{table} DISABLE TRIGGER USER")
            cursor.execute(f"DELETE FROM campaigns_budget{table}")
            cursor.execute(f"ALTER TABLE campaigns_budget{table} ENABLE TRIGGER USER")

    assert spent() == {"spring": (0, 50)}


def test_without_budgets_there_is_nothing_to_do():
    main_store()

    assert nightly.verify_budgets(day=DAY) == {"budgets": 0, "differences": 0}


def test_it_reads_by_the_index_of_what_budgets_paid(paid):
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN " + verification.SPENT, {"zone": "Asia/Shanghai", "low": 0, "high": 3}
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "points_activity_of_purse" in plan
