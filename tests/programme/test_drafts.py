"""A rulebook is drafted, checked, approved by a second person and published from a day ahead."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from common import approvals as four_eyes
from common.models import Approval, AuditRecord
from programme import approvals, checks, documents, operations, queries
from programme.checks import Finding, Severity
from programme.models import Draft, DraftState, Version
from tests.factories import plain, rulebook, staff

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)  # 12:00 in Shanghai
TOMORROW = date(2026, 6, 16)


@pytest.fixture(autouse=True)
def _rules():
    plain()
    with translation.override("en"):
        yield


@pytest.fixture
def author():
    return staff(username="author", is_superuser=False)


@pytest.fixture
def second():
    user = staff(username="second", is_superuser=False)
    user.groups.add(Group.objects.get(name="programme manager"))
    return user


def start(by, **changes):
    draft = operations.start_draft(by=by, at=NOON)
    return save(draft, by, **changes) if changes else draft


def save(draft, by, *, at=NOON, revision=None, **changes):
    document = deepcopy(draft.document) | changes
    return operations.save_draft(
        draft_id=draft.pk, document=document, revision=revision or draft.revision, by=by, at=at
    )


def submit(draft, by, *, at=NOON, reference="R-1"):
    return approvals.submit(
        draft_id=draft.pk,
        revision=draft.revision,
        at=at,
        reference=reference,
        by=by,
        reason="summer",
    )


def approve(approval, by, *, at=NOON):
    return four_eyes.approve(approval_id=approval.pk, by=by, at=at)


def rounded_up(draft):
    return draft.document["policies"] | {"rounding": {"mode": "up", "per": "document"}}


def changed(by, **changes):
    """A draft that says something else than the version it is based on."""
    draft = start(by)
    return save(draft, by, policies=rounded_up(draft), **changes)


class TestStart:
    def test_says_what_the_newest_version_says_from_the_next_day_on(self, author):
        draft = start(author)

        said = queries.export(Version.objects.get())
        assert draft.document == said | {"valid_from": "2026-06-16", "note": ""}
        assert (draft.state, draft.revision, draft.based_on.number) == (DraftState.OPEN, 1, 1)
        record = AuditRecord.objects.get(action="draft.started")
        assert (record.actor, record.target) == (author, f"plain {draft}")

    def test_takes_a_day_on_which_no_version_begins(self, author):
        rulebook(valid_from="2026-06-16")

        assert start(author).document["valid_from"] == "2026-06-17"

    def test_of_an_older_version_follows_the_newest_all_the_same(self, author):
        first = Version.objects.get()
        newest = rulebook(valid_from="2026-06-01", return_after_spending="refuse")

        draft = operations.start_draft(by=author, at=NOON, source=first)

        assert draft.document["policies"]["return_after_spending"] == "debt"
        assert draft.based_on == newest

    def test_of_a_file(self, author):
        said = queries.export(Version.objects.get()) | {"valid_from": "2027-01-01", "note": "x"}

        draft = operations.start_draft(by=author, at=NOON, document=said)

        assert draft.document == said

    def test_refuses_the_file_of_another_programme(self, author):
        said = queries.export(Version.objects.get()) | {"valid_from": "2027-01-01"}
        said["programme"] = said["programme"] | {"code": "other"}

        with pytest.raises(documents.InvalidDocument) as refusal:
            operations.start_draft(by=author, at=NOON, document=said)

        assert [each.path for each in refusal.value.problems] == [("programme", "code")]
        assert not Draft.objects.exists()


def test_without_a_rulebook_there_is_nothing_to_begin_with(author, monkeypatch):
    monkeypatch.setattr(queries, "newest_version", lambda: None)

    with pytest.raises(operations.NoVersion):
        start(author)


class TestSave:
    def test_keeps_what_it_says_and_who_said_it(self, author, second):
        draft = start(author)

        saved = save(draft, second, policies=rounded_up(draft))

        draft.refresh_from_db()
        assert draft.document == saved.document
        assert draft.document["policies"]["rounding"]["mode"] == "up"
        assert (draft.revision, draft.changed_by) == (2, second)
        assert AuditRecord.objects.get(action="draft.saved").details == {"revision": 2}
        assert Version.objects.count() == 1

    def test_the_same_again_changes_nothing(self, author):
        draft = start(author)

        assert save(draft, author).revision == 1
        assert not AuditRecord.objects.filter(action="draft.saved").exists()

    def test_is_held_as_the_database_would_hold_it(self, author):
        draft = start(author)
        earning = deepcopy(draft.document["earning"])
        earning["rules"][0]["points"] = "01.50"

        saved = save(draft, author, earning=earning)

        assert saved.document["earning"]["rules"][0]["points"] == "1.5"

    def test_refuses_with_the_place_of_every_mistake(self, author):
        draft = start(author)
        earning = deepcopy(draft.document["earning"])
        earning["rules"][0] |= {"points": "many", "names": {"zh-hans": ""}}
        del earning["rules"][0]["per_amount"]

        with pytest.raises(documents.InvalidDocument) as refusal:
            save(draft, author, earning=earning, valid_from="soon")

        rule = ("earning", "rules", 0)
        assert {each.path: each.why for each in refusal.value.problems} == {
            (*rule, "names", "zh-hans"): "This is missing.",
            (*rule, "per_amount"): "This is missing.",
            (*rule, "points"): ("A number is wanted, such as 10 or 2.5; its decimals are limited."),
            ("valid_from",): "A day is wanted, such as 2026-07-01.",
        }
        draft.refresh_from_db()
        assert draft.revision == 1

    def test_refuses_what_only_a_room_can_see(self, author):
        draft = start(author)
        earning = deepcopy(draft.document["earning"])
        earning["rules"] *= 2

        with pytest.raises(documents.InvalidDocument) as refusal:
            save(draft, author, earning=earning)

        assert refusal.value.problems[0].path[:2] == ("earning", "rules")
        assert Version.objects.count() == 1

    @pytest.mark.parametrize("day", ["2026-06-14", "2026-06-15"])
    def test_refuses_a_day_that_has_begun(self, author, day):
        with pytest.raises(documents.InvalidDocument) as refusal:
            start(author, valid_from=day)

        assert refusal.value.problems[0].path == ("valid_from",)
        assert "2026-06-16" in refusal.value.problems[0].why

    def test_refuses_a_day_on_which_another_begins(self, author):
        rulebook(valid_from="2026-07-01")

        with pytest.raises(documents.InvalidDocument) as refusal:
            start(author, valid_from="2026-07-01")

        assert refusal.value.problems[0].path == ("valid_from",)

    def test_a_day_that_passed_meanwhile_does_not_stand_in_the_way_of_the_rest(self, author):
        draft = start(author)

        saved = save(draft, author, note="late", at=NOON + timedelta(days=9))

        assert saved.document["note"] == "late"

    def test_of_two_who_edit_the_second_is_told(self, author, second):
        draft = start(author)
        save(draft, author, note="one")

        with pytest.raises(operations.DraftChanged):
            save(draft, second, note="two", revision=1)

        assert Draft.objects.get().document["note"] == "one"


class TestDiscard:
    def test_it_stays_to_be_read_and_cannot_be_changed(self, author):
        draft = start(author)

        operations.discard_draft(draft_id=draft.pk, by=author, at=NOON)

        with pytest.raises(operations.DraftNotOpen):
            save(draft, author, note="x")
        with pytest.raises(operations.DraftNotOpen):
            submit(draft, author)
        assert AuditRecord.objects.filter(action="draft.discarded").count() == 1


class TestPublish:
    def test_a_second_person_lets_it_be_published(self, author, second):
        draft = changed(author, note="rounded up", valid_from="2026-07-01")

        approval = submit(draft, author)
        assert Version.objects.count() == 1
        approve(approval, second)

        draft.refresh_from_db()
        version = Version.objects.get(number=2)
        assert (draft.state, draft.version) == (DraftState.PUBLISHED, version)
        assert (version.valid_from, version.note) == (date(2026, 7, 1), "rounded up")
        assert (version.published_at, version.published_by) == (NOON, second)
        assert queries.export(version) == draft.document
        queries.forget_cached()
        assert queries.rulebook_on(date(2026, 6, 30)).number == 1
        assert queries.rulebook_on(date(2026, 7, 1)).number == 2
        deeds = AuditRecord.objects.order_by("pk").values_list("action", "actor__username")
        assert list(deeds)[-3:] == [
            ("approval.requested", "author"),
            ("approval.approved", "second"),
            ("version.published", "second"),
        ]

    def test_not_by_who_asked(self, author):
        author.groups.add(Group.objects.get(name="programme manager"))
        approval = submit(changed(author), author)

        with pytest.raises(four_eyes.OwnRequest):
            approve(approval, author)

        assert Version.objects.count() == 1

    def test_not_by_who_may_not_decide(self, author):
        approval = submit(changed(author), author)
        campaigns = staff(username="campaigns", is_superuser=False)
        campaigns.groups.add(Group.objects.get(name="campaign manager"))

        with pytest.raises(four_eyes.NotAllowedToDecide):
            approve(approval, campaigns)

        assert Version.objects.count() == 1

    def test_without_an_approval_the_database_refuses(self, author, second):
        draft = changed(author)

        with pytest.raises(IntegrityError, match="published without an approval"):
            operations.publish_draft(draft_id=draft.pk, revision=draft.revision, at=NOON, by=second)

    def test_what_waits_cannot_be_changed(self, author):
        draft = changed(author)
        submit(draft, author)

        with pytest.raises(operations.DraftWaits):
            save(draft, author, note="other")
        with pytest.raises(operations.DraftWaits):
            operations.discard_draft(draft_id=draft.pk, by=author, at=NOON)
        with pytest.raises(operations.DraftWaits):
            submit(draft, author, reference="R-2")

    @pytest.mark.parametrize(
        "change", ['document = document || \'{"note": "y"}\'', "revision = revision + 1"]
    )
    def test_nor_by_the_owner_of_the_database(self, author, change):
        submit(changed(author), author)

        with (
            pytest.raises(IntegrityError, match="waits for its approval"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"UPDATE programme_draft SET {change}")

    def test_rejected_it_can_be_changed_and_asked_for_again(self, author, second):
        draft = changed(author)
        approval = submit(draft, author)
        four_eyes.reject(approval_id=approval.pk, by=second, at=NOON, note="no")

        draft = save(draft, author, note="better")
        approve(submit(draft, author, reference="R-2"), second)

        assert Version.objects.get(number=2).note == "better"

    def test_published_it_can_never_change(self, author, second):
        draft = changed(author)
        approve(submit(draft, author), second)

        with pytest.raises(operations.DraftNotOpen):
            save(draft, author, note="x")
        with (
            pytest.raises(IntegrityError, match="is PUBLISHED and cannot be changed"),
            transaction.atomic(),
        ):
            Draft.objects.update(state=DraftState.OPEN, version=None)

    def test_not_if_its_first_day_came_while_it_waited(self, author, second):
        approval = submit(changed(author, valid_from="2026-06-16"), author)

        with pytest.raises(operations.FirstDayPassed):
            approve(approval, second, at=NOON + timedelta(days=1))

        assert Version.objects.count() == 1
        assert Approval.objects.get().state == "PENDING"

    @pytest.mark.usefixtures("_forgets_in_time")
    def test_not_in_the_last_minute_before_it(self, author, second):
        """Every process must know a version before its first day begins (CACHE_SECONDS)."""
        approval = submit(changed(author, valid_from="2026-06-16"), author)
        midnight = datetime(2026, 6, 15, 16, tzinfo=UTC)  # in Shanghai

        with pytest.raises(operations.FirstDayPassed):
            approve(approval, second, at=midnight - timedelta(seconds=59))
        approve(approval, second, at=midnight - timedelta(seconds=61))

        assert Version.objects.count() == 2
        assert timedelta(seconds=queries.CACHE_SECONDS) * 2 < queries.KNOWN_EVERYWHERE

    def test_not_on_the_day_of_another(self, author, second):
        first = submit(changed(author), author)
        other = submit(changed(author), author, reference="R-2")
        approve(first, second)

        # It is not based on what was published meanwhile either; the day is what cannot be mended.
        with pytest.raises((operations.VersionTaken, operations.DraftOutdated)):
            approve(other, second)

        assert Version.objects.count() == 2

    def test_not_before_it_was_compared_with_what_was_published_meanwhile(self, author, second):
        late = changed(author, valid_from="2026-08-01")
        approve(submit(changed(author, valid_from="2026-07-01", note="a"), author), second)
        late = save(late, author, earning=_doubled(late))

        with pytest.raises(operations.DraftOutdated) as refusal:
            submit(late, author, reference="R-2")
        assert "v2" in refusal.value.sentence
        late = operations.follow_newest(
            draft_id=late.pk, revision=late.revision, by=author, at=NOON
        )
        approve(submit(late, author, reference="R-2"), second)

        assert Version.objects.count() == 3

    def test_not_if_it_changes_nothing(self, author):
        with pytest.raises(operations.DraftSaysNothing):
            submit(start(author, note="other words", valid_from="2026-09-01"), author)

    def test_not_if_the_check_finds_a_mistake(self, author, monkeypatch):
        found = Finding(Severity.MISTAKE, ("policies",), "It would break what is in use.")
        monkeypatch.setattr(checks, "_checks", [lambda document: [found]])

        with pytest.raises(operations.DraftRefused) as refusal:
            submit(changed(author), author)

        assert found.text in refusal.value.sentence

    def test_a_warning_is_for_people_to_judge(self, author, second, monkeypatch):
        found = Finding(Severity.WARNING, ("policies",), "Is that what you want?")
        monkeypatch.setattr(checks, "_checks", [lambda document: [found]])

        approve(submit(changed(author), author), second)

        assert Version.objects.count() == 2


def _doubled(draft):
    earning = deepcopy(draft.document["earning"])
    earning["rules"][0]["points"] = "2"
    return earning


def test_the_gravest_findings_come_first(monkeypatch):
    found = [Finding(severity, (), severity.name) for severity in Severity]
    monkeypatch.setattr(checks, "_checks", [lambda document: found[:1], lambda document: found[1:]])

    assert [each.text for each in checks.run({})] == ["MISTAKE", "WARNING", "NOTE"]
