"""Two members are joined while others use them: nothing is lost, and nothing is done twice."""

import threading
from datetime import date

import pytest
from django.db import transaction
from django.utils import timezone

from members import consents, operations, queries
from members.models import ConsentPurpose, Member, Merge
from members.operations import _merging
from membership import merging
from points.models import Account
from tests import factories
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import agree, consent_text, identity, lot, member, plain, staff
from tests.till import Till

pytestmark = pytest.mark.concurrency


@pytest.fixture(autouse=True)
def _rules():
    plain()


def joining(of, into):
    by = staff()
    return lambda: merging.merge(
        member_id=of.pk, into_id=into.pk, take=[], frees_phone=False, at=timezone.now(), by=by,
        reason="同一人",
    )  # fmt: skip


def test_a_purchase_by_the_old_number_lands_once_and_with_who_remains():
    client = factories.api_client(factories.store(code="S1").organization)
    till, of, into = Till(client), member(), member()
    document = {"reference": "P", "member": of.number, "store": "S1", "amount": "1000.00"}

    answer, _merged = at_once(lambda: till.send("purchases/", document), joining(of, into))
    if answer.status_code == 503:
        assert answer.json()["code"] == "account_moved"
    again = till.send("purchases/", document)

    assert again.status_code in (200, 201)
    assert Account.objects.get(pk=into.pk).balance == 100
    assert Account.objects.get(pk=of.pk).balance == 0


def test_a_change_of_the_profile_comes_before_or_is_refused():
    of, into = member(city=""), member(city="")

    changed, merged = at_once(
        lambda: operations.update_profile(
            member_id=of.pk, changes={"city": "上海"}, at=timezone.now(), by=None, reason="x"
        ),
        joining(of, into),
    )

    assert merged is None
    was_refused = isinstance(changed, operations.WrongState)
    assert Member.objects.get(pk=into.pk).city == ("" if was_refused else "上海")


def test_a_refusal_told_at_that_moment_is_kept():
    """It waits for the merge, and is then noted of who remains."""
    consent_text("MARKETING")
    of, into = member(), member()
    agree(of)
    agree(into)
    done, commit = threading.Event(), threading.Event()
    join = joining(of, into)

    def held():
        with transaction.atomic():
            join()
            done.set()
            assert commit.wait(20)

    merge = Racer(held).go()
    assert done.wait(20)
    refusal = Racer(lambda: agree(of, is_given=False, at=timezone.now())).go()
    until_waiting(refusal)
    commit.set()

    assert merge.answer() is None
    assert refusal.answer() == 1
    assert not consents.has(into.pk, ConsentPurpose.MARKETING)


def test_the_same_two_are_joined_once():
    of, into = member(), member()
    lot(identity(of), 10, expires_on=date(2099, 12, 31))

    answers = at_once(joining(of, into), joining(of, into), joining(into, of))

    assert [type(each).__name__ for each in answers].count("NoneType") == 1
    assert Merge.objects.count() == 1
    assert sum(Account.objects.values_list("balance", flat=True)) == 10


def test_one_into_another_who_goes_on_at_that_moment():
    a, b, c = member(), member(), member()
    lot(identity(a), 10, expires_on=date(2099, 12, 31))

    first, second = at_once(joining(a, b), joining(b, c))

    assert second is None
    if first is None:
        assert queries.identify(a.number).id == c.pk
        assert Account.objects.get(pk=c.pk).balance == 10
    else:
        assert isinstance(first, queries.MemberMerged)
        assert queries.identify(a.number).id == a.pk


def test_without_the_lock_both_are_given_up_for_each_other(monkeypatch):
    """The negative control: looked at before either is locked, each is given up for the other."""
    of, into = member(), member()
    meet = threading.Barrier(2, timeout=20)

    def unlocked(one_id, other_id):
        found = Member.objects.in_bulk([one_id, other_id])
        meet.wait()
        return found[one_id], found[other_id]

    monkeypatch.setattr(_merging, "_both", unlocked)

    def half(one, other):
        by = staff()
        return lambda: operations.merge_members(
            member_id=one.pk, into_id=other.pk, take=[], frees_phone=False, at=timezone.now(),
            by=by, reason="x",
        )  # fmt: skip

    answers = at_once(half(of, into), half(into, of))

    assert [type(each).__name__ for each in answers] == ["Merged", "Merged"]
    assert Member.objects.filter(status="CLOSED").count() == 2
