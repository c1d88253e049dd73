"""Two who publish or save at once."""

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction

from common import approvals as four_eyes
from programme import approvals, operations
from programme.models import Draft, Programme, Version
from tests.concurrency.racing import Racer, at_once, until_waiting
from tests.factories import plain, staff

pytestmark = pytest.mark.concurrency

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rules():
    plain()


def drafted(mode):
    """A draft that rounds otherwise, valid from the next day."""
    author = staff()
    draft = operations.start_draft(by=author, at=NOON)
    document = deepcopy(draft.document)
    document["policies"]["rounding"]["mode"] = mode
    return operations.save_draft(
        draft_id=draft.pk, document=document, revision=1, by=author, at=NOON
    )


def asked(mode):
    """The request to publish such a draft."""
    draft = drafted(mode)
    return approvals.submit(
        draft_id=draft.pk,
        revision=draft.revision,
        at=NOON,
        reference=f"R-{draft.pk}",
        by=draft.created_by,
        reason="x",
    )


def approving(approval):
    by = staff()
    return lambda: four_eyes.approve(approval_id=approval.pk, by=by, at=NOON)


def second_of_two():
    """What the second gets that is approved while the first is being published."""
    first, other = asked("up"), asked("half_up")
    second = Racer(approving(other))
    with transaction.atomic():
        approving(first)()
        second.go()
        until_waiting(second)
    return second.answer(may_fail=True)


def test_of_two_published_for_the_same_day_one_is():
    answer = second_of_two()

    assert isinstance(answer, operations.DraftOutdated | operations.VersionTaken)
    assert sorted(Version.objects.values_list("number", flat=True)) == [1, 2]
    assert Draft.objects.filter(state="PUBLISHED").count() == 1


def test_without_the_lock_the_database_still_refuses_the_second(monkeypatch):
    monkeypatch.setattr(operations, "_require_publishable", lambda draft, *, at: None)
    monkeypatch.setattr(operations, "_install", lambda content: Programme.objects.get())
    monkeypatch.setattr(operations, "_hold_programme", lambda: Programme.objects.get())

    answer = second_of_two()

    assert isinstance(answer, IntegrityError)
    assert Version.objects.count() == 2


def test_of_many_published_for_the_same_day_one_is():
    requests = [asked(mode) for mode in ("up", "half_up", "up", "half_up")]

    answers = at_once(*map(approving, requests))

    kinds = Counter(isinstance(answer, Exception) for answer in answers)
    assert kinds == {False: 1, True: 3}
    assert Version.objects.count() == 2


def test_of_two_who_save_the_same_revision_one_does():
    draft = drafted("up")

    def saving(note):
        document = deepcopy(draft.document) | {"note": note}
        return lambda: operations.save_draft(
            draft_id=draft.pk,
            document=document,
            revision=draft.revision,
            by=draft.created_by,
            at=NOON,
        )

    answers = at_once(saving("one"), saving("two"))

    assert Counter(map(type, answers)) == {Draft: 1, operations.DraftChanged: 1}
