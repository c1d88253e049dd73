"""Possible duplicates in the console: side by side, masked, judged, joined (M10)."""

import re
from datetime import date

import pytest
from django.urls import reverse
from django.utils import timezone

from members.models import Duplicate
from membership import merging
from tests.factories import member, staff
from tests.members.test_duplicates import ID, night

pytestmark = pytest.mark.django_db
QUERIES_MAX = 12
FACTS = {"name": "王小明", "birthday": date(1990, 3, 7), "email": "wang@example.com"}


@pytest.fixture
def care(at_work):
    return at_work("customer care")


@pytest.fixture
def worklist():
    return reverse("admin:duplicates")


def text_of(response) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def two():
    pair = member(id_number=ID, **FACTS), member(id_number=ID, name="王二")
    night()
    return pair


def test_shows_both_side_by_side_and_masked(care, worklist):
    one, other = two()

    shown = text_of(care.get(worklist))

    assert one.number in shown
    assert other.number in shown
    assert "Same ID number" in shown
    assert "ID number Same ***0000 ***0000" in shown
    for secret in (ID, FACTS["name"], FACTS["email"], one.phone, one.phone[3:]):
        assert secret not in shown


def test_asks_few_queries_however_many_pairs(care, worklist, django_assert_max_num_queries):
    for n in range(4):
        member(id_number=f"{ID}{n}")
        member(id_number=f"{ID}{n}")
    night()

    with django_assert_max_num_queries(QUERIES_MAX):
        shown = text_of(care.get(worklist))
    assert shown.count("Same ID number") == 4


def test_not_the_same_person_needs_a_reason_and_does_not_come_back(care, worklist):
    two()
    pair = Duplicate.objects.get()

    assert "Say why." in text_of(care.post(worklist, {"pair": pair.pk, "reason": " "}, follow=True))
    pair.refresh_from_db()
    assert pair.state == "OPEN"
    done = care.post(worklist, {"pair": pair.pk, "reason": "双胞胎"}, follow=True)

    assert "not shown again" in text_of(done)
    assert "Nobody waits" in text_of(care.get(worklist))
    again = care.post(worklist, {"pair": pair.pk, "reason": "又"}, follow=True)
    assert "Somebody has judged this pair already." in text_of(again)
    for nonsense in ("", "x", "9" * 30, "0"):
        answer = care.post(worklist, {"pair": nonsense, "reason": "x"}, follow=True)
        assert "There is no such pair." in text_of(answer)


def test_leads_to_joining_the_accounts_with_the_other_filled_in(care, worklist):
    one, other = two()
    join = f"{reverse('admin:member-merge', args=[other.number])}?other={one.number}"

    assert join in care.get(worklist).content.decode()
    assert f'value="{one.number}"' in care.get(join).content.decode()


def test_who_is_joined_waits_no_more_until_that_is_taken_apart(care, worklist):
    one, other = two()
    facts = {"at": timezone.now(), "by": staff(), "reason": "同一人"}
    merging.merge(member_id=other.pk, into_id=one.pk, take=[], frees_phone=False, **facts)

    assert "Nobody waits" in text_of(care.get(worklist))

    merging.unmerge(member_id=other.pk, after_spending="refuse", **facts)
    assert one.number in text_of(care.get(worklist))


@pytest.mark.parametrize("role", ["campaign manager", "finance", "store clerk"])
def test_others_do_not_see_it(at_work, worklist, role):
    assert at_work(role).get(worklist).status_code == 403


def test_an_auditor_looks_and_touches_nothing(at_work, worklist):
    two()
    client = at_work("auditor")

    shown = client.get(worklist).content.decode()
    assert "Two different people" not in shown
    assert "Join into" not in shown
    assert (
        client.post(worklist, {"pair": Duplicate.objects.get().pk, "reason": "x"}).status_code
        == 403
    )
