"""A profile that changes while it is looked at: the night must not keep what was true before."""

import threading

import pytest
from django.db import connection

from members import operations
from members.models import Fingerprint, Member
from members.operations import _duplicates
from tests.factories import member, staff
from tests.factories.points import NOON

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def raced(monkeypatch):
    """Take a fingerprint while the e-mail changes; return what stands, and what ought to."""
    of, by = member(email="old@example.com"), staff()
    is_reading, told = threading.Event(), []
    fingerprint = _duplicates.fingerprint

    def slow(found):
        made = fingerprint(found)
        is_reading.set()
        # Without the lock, the change commits meanwhile.
        changed.join(timeout=1.5)
        return made

    def change():
        is_reading.wait(10)
        try:
            operations.update_profile(
                member_id=of.pk, changes={"email": "new@example.com"}, at=NOON, by=by, reason="更正"
            )
        finally:
            connection.close()
        told.append("changed")

    changed = threading.Thread(target=change)
    monkeypatch.setattr(_duplicates, "fingerprint", slow)
    changed.start()
    operations.take_fingerprints(low=of.pk, high=of.pk)
    changed.join(10)
    monkeypatch.undo()
    assert told == ["changed"]
    operations.take_fingerprints(low=of.pk, high=of.pk)
    of.refresh_from_db()
    right = _duplicates.fingerprint(of).email
    return bytes(Fingerprint.objects.get(pk=of.pk).email), right


def test_a_change_meanwhile_is_not_lost(monkeypatch):
    stands, right = raced(monkeypatch)

    assert stands == right


def test_without_the_lock_it_would_be(monkeypatch):
    """The negative control."""
    plain = Member.objects.select_for_update
    monkeypatch.setattr(
        type(Member.objects),
        "select_for_update",
        lambda self, **options: self.all() if options.get("of") else plain(**options),
    )
    stands, right = raced(monkeypatch)

    assert stands != right
