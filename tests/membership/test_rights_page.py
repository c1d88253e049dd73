"""A member's benefits in the console, and what staff do with rights."""

import pytest
from django.urls import reverse
from django.utils.timezone import localdate

from benefits.models import Right, Step
from points.models import Entry
from tests.benefits.plan import on, publish, service, told
from tests.factories import store

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    publish(service("wash", "year", t1=2), service("tea", "year", t2=1))
    return on("t1", since=localdate().replace(month=1, day=1).isoformat())


@pytest.fixture
def right(of):
    from benefits import operations
    from points.queries import start_of_day

    told()
    today = localdate()
    operations.grant(member_ids=[of.id], day=today, at=start_of_day(today))
    return Right.objects.order_by("ordinal").first()


@pytest.fixture
def care(at_work):
    return at_work("customer care")


def at(of, name):
    return reverse(f"admin:member-{name}", args=[of.number])


def test_care_delivers_undoes_and_makes_up_for_it(care, of, right):
    sent = {"chosen": "wash", "store": store().pk, "note": "门店来电"}
    assert care.post(at(of, "deliver-right"), sent).status_code == 302
    assert (
        care.post(at(of, "undo-delivery"), {"chosen": right.pk, "note": "误操作"}).status_code
        == 302
    )
    failed = {"chosen": right.pk, "reason": "OUT_OF_STOCK", "note": "没有水"}
    assert care.post(at(of, "fail-right"), failed).status_code == 302
    given = {"chosen": right.pk, "points": "20", "benefit": "", "days": "90", "note": "抱歉"}
    assert care.post(at(of, "compensate-right"), given).status_code == 302

    right.refresh_from_db()
    assert (right.state, right.compensated_points) == ("COMPENSATED", 20)
    assert Entry.objects.get(member=of.id).points == 20
    assert [each.kind for each in Step.objects.filter(right=right).order_by("nth")] == [
        "GRANTED", "DELIVERED", "UNDONE", "FAILED", "COMPENSATED",
    ]  # fmt: skip
    page = care.get(at(of, "benefits")).content.decode()
    assert "没有水" in page


def test_another_right_in_its_place(care, of, right):
    care.post(at(of, "fail-right"), {"chosen": right.pk, "reason": "LATE", "note": "x"})
    given = {"chosen": right.pk, "points": "", "benefit": "tea", "days": "30", "note": "抱歉"}

    assert care.post(at(of, "compensate-right"), given).status_code == 302
    assert Right.objects.get(compensates=right).benefit == "tea"


@pytest.mark.parametrize(
    "given", [{"points": "5", "benefit": "tea"}, {"points": "", "benefit": ""}]
)
def test_points_or_a_right_not_both_nor_none(care, of, right, given):
    care.post(at(of, "fail-right"), {"chosen": right.pk, "reason": "LATE", "note": "x"})

    answer = care.post(
        at(of, "compensate-right"), {"chosen": right.pk, "days": "9", "note": "x"} | given
    )

    assert answer.status_code == 200
    right.refresh_from_db()
    assert right.state == "FAILED"


def test_who_only_looks_changes_nothing(at_work, of, right):
    auditor = at_work("auditor")

    assert auditor.get(at(of, "benefits")).status_code == 200
    sent = {"chosen": right.pk, "reason": "LATE", "note": "x"}
    assert auditor.post(at(of, "fail-right"), sent).status_code == 403
    assert Step.objects.filter(kind="FAILED").count() == 0
