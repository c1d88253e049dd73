"""Rows that come by COPY are those that bulk_create would have made."""

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from common.models import AuditRecord
from common.postgres import copying
from members.models import Member, Product
from tests.factories import member

pytestmark = pytest.mark.django_db

# What COPY, arrays, JSON or a CSV might take for something else.
NASTY = [
    "\\N", "\\.", "a\tb", "a\nb\r", '"quoted"', "{a,b}", "back\\slash", "NULL", "", "𠮷㑇 🚗", "'",
]  # fmt: skip
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_texts_arrays_and_json_arrive_as_they_were():
    numbers = [f"M{n:010d}" for n in range(len(NASTY))]
    parts = [[text[:2], text[-2:], '"', "\\"] for text in NASTY]

    copied = copying.insert(
        Member,
        {
            "number": numbers,
            "name": NASTY,
            "name_parts": parts,
            "attributes": [{"text": text, "number": 1.5} for text in NASTY],
            "birthday": [date(1990, 2, 28), *[None] * (len(NASTY) - 1)],
        },
        same={"status": "ACTIVE", "joined_at": NOON, "activated_at": NOON},
    )

    assert copied == len(NASTY)
    made = list(Member.objects.order_by("number"))
    assert [each.name for each in made] == NASTY
    assert [each.name_parts for each in made] == parts
    assert [each.attributes["text"] for each in made] == NASTY
    assert (made[0].birthday, made[1].birthday) == (date(1990, 2, 28), None)
    # Nobody named them: the model's defaults.
    assert {(each.city, each.user_id, each.name_spelled) for each in made} == {("", None, None)}
    assert {each.joined_at for each in made} == {NOON}


def test_personal_data_is_sealed():
    copying.insert(
        Member,
        {"number": ["M0000000017", "M0000000025"], "phone": ["+8613800000001", ""]},
        same={"status": "PRE_REGISTERED", "joined_at": NOON},
    )

    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM members_member ORDER BY number")
        [(sealed,), (empty,)] = cursor.fetchall()
    assert sealed.startswith("k1:")
    assert empty == ""
    assert Member.objects.get(number="M0000000017").phone == "+8613800000001"


def test_what_the_database_refuses_is_an_error_django_knows():
    of = member()
    rows = {"member_id": [of.pk] * 2, "identifier": ["LSV1"] * 2}

    with pytest.raises(IntegrityError, match="members_product_one_owner"), transaction.atomic():
        copying.insert(Product, rows)

    assert not Product.objects.exists()


def test_a_name_that_is_no_column_is_a_mistake():
    with pytest.raises(AssertionError):
        copying.insert(Product, {"member": [1], "identifier": ["LSV1"]})


def test_takes_ids_the_database_will_not_count_again():
    taken = copying.next_ids(AuditRecord, 3)

    row = AuditRecord.objects.create(action="a", target="t")

    assert len(set(taken)) == 3
    assert row.pk > max(taken)


def test_nothing_costs_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert copying.insert(Product, {"member_id": []}) == 0
    with django_assert_num_queries(1):
        copying.insert(AuditRecord, {"target": ["t"]}, same={"action": "a", "at": NOON})
