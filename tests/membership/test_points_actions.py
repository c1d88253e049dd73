"""What staff do with points at the console: forms, refusals, and what a second person decides."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from common.models import Approval, AuditRecord
from points import operations, queries
from points.models import Account, Entry, Hold, Lot
from tests.factories import identity, lot, member, plain, rulebook, source, staff
from tests.factories.points import NOON
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db
QUERIES_MAX = 10
LAST_DAY = date(2099, 12, 31)


@pytest.fixture(autouse=True)
def _rules():
    plain()


@pytest.fixture
def of():
    """A member with a hundred points."""
    of = identity(member(name="王小明"))
    lot(of, 100, at=timezone.now(), expires_on=LAST_DAY)
    return of


@pytest.fixture
def clerk(at_work):
    """Customer care: asks, and does what one person may do."""
    return at_work("customer care")


@pytest.fixture
def chief():
    """Who lets things happen."""
    user = staff(username="chief", is_superuser=False)
    user.groups.add(Group.objects.get(name="programme manager"))
    return console(user)


def page(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def send(client, action, of, **fields):
    """Fill in the form that is opened and send it."""
    address = page(f"member-{action}", of.number)
    reference = client.get(address).context["form"]["reference"].value()
    return client.post(address, {"reason": "顾客来电", "reference": reference, **fields})


def errors(response) -> str:
    assert response.status_code == 200
    return " ".join(
        str(error) for errors in response.context["form"].errors.values() for error in errors
    )


def balance(of) -> int:
    return Account.objects.get(pk=of.id).balance


def seqs(of) -> int:
    return Entry.objects.filter(member_id=of.id).count()


def redeem(of, points, reference="X-1"):
    posting = operations.redeem(
        member=of, points=points, at=timezone.now(), reference=reference, source=source()
    )
    return Entry.objects.get(member_id=of.id, seq=posting.seq)


def expired(of, points):
    """Points that have expired; their entry."""
    lot(of, points, at=NOON, expires_on=date(2026, 6, 30))
    operations.expire(low=of.id, high=of.id, on=date(2026, 7, 1))
    return Entry.objects.get(member_id=of.id, kind="EXPIRE")


def approve(client, approval):
    return client.post(page("common_approval_approve", approval.pk), {"note": "同意"}, follow=True)


class TestForms:
    @pytest.mark.parametrize(
        "action",
        ["cancel-redemption", "reinstate", "extend", "release", "transfer"],
    )
    @pytest.mark.parametrize("language", ["en", "zh-hans", "zh-hant"])
    def test_open_in_few_queries(self, at_work, of, action, language):
        redeem(of, 5)
        expired(of, 3)
        client = at_work("customer care", language=language)
        client.get(page("index"))

        with CaptureQueriesContext(connection) as queries:
            response = client.get(page(f"member-{action}", of.number))

        assert response.status_code == 200
        assert len(queries) <= QUERIES_MAX

    @pytest.mark.parametrize("action", ["cancel-redemption", "transfer", "extend"])
    def test_nothing_happens_without_a_reason(self, clerk, of, action):
        other = identity()
        lot_entry = Entry.objects.get(member_id=of.id)
        spent = redeem(of, 5)

        response = send(
            clerk, action, of, reason="  ", entry=spent.seq, other=other.number, points="1",
            lots=[lot_entry.seq], last_day="2100-01-01", confirmed="1",
        )  # fmt: skip

        assert "required" in errors(response)
        assert seqs(of) == 2

    def test_the_points_have_their_buttons_on_their_tab(self, clerk, of):
        text = text_of(clerk.get(page("member-ledger", of.number)))

        for title in ("Cancel a redemption", "Transfer points", "Extend points"):
            assert title in text
        assert "Undo the joining" not in text

    def test_who_may_only_look_is_offered_none(self, at_work, of):
        text = text_of(at_work("auditor").get(page("member-ledger", of.number)))

        assert "Transfer points" not in text


class TestCorrectionsAboveTheLimit:
    @pytest.fixture(autouse=True)
    def _limited(self):
        rulebook(adjustment_limit=100, valid_from="2026-01-02")

    def adjust(self, client, of, points, **fields):
        return send(
            client, "adjust", of, points=str(points), reason="GOODWILL", note="等待太久", **fields
        )

    def test_at_the_limit_one_person_is_enough(self, clerk, of):
        self.adjust(clerk, of, 100, confirmed="1")

        assert balance(of) == 200
        assert not Approval.objects.exists()

    def test_the_preview_tells_that_two_are_needed(self, clerk, of):
        above = self.adjust(clerk, of, 101)
        below = self.adjust(clerk, of, -100)

        assert above.context["preview"]["needs_approval"]
        assert "need two people" in text_of(above)
        assert not below.context["preview"]["needs_approval"]

    def test_above_it_is_sent_for_approval_and_done_when_approved(self, clerk, chief, of):
        said = clerk.get(self.adjust(clerk, of, 101, confirmed="1").url)

        assert "Sent for approval" in text_of(said)
        assert balance(of) == 100
        approval = Approval.objects.get()
        assert approval.target == of.number
        facts = text_of(chief.get(page("common_approval_change", approval.pk)))
        assert "+101" in facts
        assert "等待太久" in facts

        approve(chief, approval)

        entry = Entry.objects.get(kind="ADJUST")
        assert (entry.points, entry.note, entry.actor) == (101, "等待太久", clerk.user)
        record = AuditRecord.objects.get(action="points.adjusted")
        assert record.details["approved_by"] == Approval.objects.get().decided_by_id
        assert balance(of) == 201

    def test_who_asked_cannot_approve(self, at_work, of):
        admin = at_work("administrator")
        self.adjust(admin, of, 101, confirmed="1")

        approve(admin, Approval.objects.get())

        assert Approval.objects.get().state == "PENDING"
        assert balance(of) == 100

    def test_sent_twice_it_is_asked_for_once(self, clerk, of):
        address = page("member-adjust", of.number)
        form = {
            "points": "101", "reason": "GOODWILL", "note": "等待太久", "confirmed": "1",
            "reference": clerk.get(address).context["form"]["reference"].value(),
        }  # fmt: skip

        for _ in range(2):
            clerk.post(address, form)

        assert Approval.objects.count() == 1

    def test_what_cannot_be_taken_is_refused_at_once(self, clerk, of):
        response = self.adjust(clerk, of, -101, confirmed="1")

        assert "100 can be spent" in errors(response)
        assert not Approval.objects.exists()

    def test_what_can_no_longer_be_taken_when_approved_stays_undecided(self, clerk, chief, of):
        lot(of, 50, at=timezone.now(), expires_on=LAST_DAY)
        self.adjust(clerk, of, -120, confirmed="1")
        redeem(of, 100)

        said = approve(chief, Approval.objects.get())

        assert "50 can be spent" in text_of(said)
        assert Approval.objects.get().state == "PENDING"
        assert balance(of) == 50


class TestReinstate:
    def test_is_never_done_by_one_person(self, clerk, chief, of):
        entry = expired(of, 30)

        said = clerk.get(send(clerk, "reinstate", of, entry=entry.seq, points="20").url)

        assert "Sent for approval" in text_of(said)
        assert balance(of) == 100
        approve(chief, Approval.objects.get())
        assert balance(of) == 120
        given = Entry.objects.get(kind="REINSTATE")
        assert (given.points, given.reverses, given.actor) == (20, entry.seq, clerk.user)
        assert given.lot_expires_on == [timezone.localdate() + timedelta(days=30)]
        record = AuditRecord.objects.get(action="points.reinstated")
        assert record.details["approved_by"] == Approval.objects.get().decided_by_id

    def test_empty_points_mean_all_that_is_left_and_the_request_names_them(self, clerk, of):
        entry = expired(of, 30)

        send(clerk, "reinstate", of, entry=entry.seq, points="")

        assert Approval.objects.get().payload["points"] == 30

    def test_more_than_expired_is_refused(self, clerk, of):
        entry = expired(of, 30)

        response = send(clerk, "reinstate", of, entry=entry.seq, points="31")

        assert "Only 30 points" in errors(response)
        assert not Approval.objects.exists()

    def test_a_redemption_cannot_take_this_way(self, clerk, of):
        spent = redeem(of, 5)
        expired(of, 30)

        response = send(clerk, "reinstate", of, entry=spent.seq, points="")

        assert errors(response)
        assert not Approval.objects.exists()

    def test_of_another_member_nothing_can_be_chosen(self, clerk, of):
        expired(of, 30)
        other = identity()
        lot(other, 5)
        redeem(other, 5, reference="other")
        entry = expired(other, 7)

        response = send(clerk, "reinstate", of, entry=entry.seq + 40, points="")

        assert errors(response)

    def test_says_so_where_nothing_has_expired(self, clerk, of):
        response = clerk.get(page("member-reinstate", of.number))

        assert "Nothing has expired" in text_of(response)


class TestCancelRedemption:
    def test_gives_a_part_back_and_then_the_rest(self, clerk, of):
        spent = redeem(of, 60)

        send(clerk, "cancel-redemption", of, entry=spent.seq, points="20")
        assert balance(of) == 60
        send(clerk, "cancel-redemption", of, entry=spent.seq, points="")

        assert balance(of) == 100
        assert list(Lot.objects.filter(member_id=of.id).values_list("seq", "remaining")) == [
            (1, 100)
        ]
        records = AuditRecord.objects.filter(action="points.redemption_cancelled")
        assert [record.reason for record in records] == ["顾客来电"] * 2
        assert {record.actor_id for record in records} == {clerk.user.pk}
        assert "no redemption that could be cancelled" in text_of(
            clerk.get(page("member-cancel-redemption", of.number))
        )

    def test_sent_twice_it_is_done_once(self, clerk, of):
        spent = redeem(of, 60)
        address = page("member-cancel-redemption", of.number)
        form = {
            "entry": spent.seq, "points": "20", "reason": "顾客来电",
            "reference": clerk.get(address).context["form"]["reference"].value(),
        }  # fmt: skip

        clerk.post(address, form)
        second = clerk.post(address, form, follow=True)

        assert "done already" in text_of(second)
        assert balance(of) == 60
        assert AuditRecord.objects.filter(action="points.redemption_cancelled").count() == 1

    def test_more_than_was_spent_is_refused(self, clerk, of):
        spent = redeem(of, 60)

        response = send(clerk, "cancel-redemption", of, entry=spent.seq, points="61")

        assert "Only 60 points" in errors(response)
        assert balance(of) == 40

    def test_expired_points_cannot_take_this_way(self, of):
        """The operation itself refuses: the way with two people cannot be gone around."""
        entry = expired(of, 30)

        with pytest.raises(queries.UnknownRedemption):
            operations.cancel_redemption(
                of=entry, points=None, at=timezone.now(), reference="r", by=staff(), reason="x"
            )

    def test_the_entry_leads_here(self, clerk, of):
        spent = redeem(of, 60)

        link = f"{page('member-cancel-redemption', of.number)}?entry={spent.seq}"
        entry_page = clerk.get(page("entry", f"{of.number}-{spent.seq}"))
        form = clerk.get(link).context["form"]

        assert link in entry_page.content.decode()
        assert form["entry"].value() == str(spent.seq)


class TestTransfer:
    @pytest.fixture(autouse=True)
    def _allowed(self):
        limit = {"days": 30, "count": 1, "points": 1000}
        rulebook(transfers={"limits": [limit]}, valid_from="2026-01-02")

    @pytest.fixture
    def other(self):
        return identity(member(name="李雷"))

    def test_shows_both_masked_and_moves_when_confirmed(self, clerk, of, other):
        shown = send(clerk, "transfer", of, other=other.number.lower(), points="60")

        text = text_of(shown)
        assert f"王** {of.number}" in text
        assert f"李** {other.number}" in text
        assert "李雷" not in text
        assert seqs(other) == 0

        send(clerk, "transfer", of, other=other.number, points="60", confirmed="1")

        assert (balance(of), balance(other)) == (40, 60)
        record = AuditRecord.objects.get(action="points.transferred")
        assert (record.target, record.details["to"]) == (of.number, other.number)

    @pytest.mark.parametrize("confirmed", [{}, {"confirmed": "1"}])
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"other": "M0000000000"}, "no such member"),
            ({"other": "x"}, "no such member"),
            ({"points": "101"}, "100 can be spent"),
            ({"points": "0"}, "greater than or equal to 1"),
        ],
    )
    def test_refuses_beside_the_form(self, clerk, of, other, fields, said, confirmed):
        response = send(
            clerk, "transfer", of, **{"other": other.number, "points": "5"} | fields | confirmed
        )

        assert said in errors(response)
        assert seqs(of) == 1

    def test_the_programmes_limits_hold(self, clerk, of, other):
        send(clerk, "transfer", of, other=other.number, points="60", confirmed="1")

        response = send(clerk, "transfer", of, other=other.number, points="20", confirmed="1")

        assert "limit for transfers within 30 days" in errors(response)
        assert balance(other) == 60

    def test_to_oneself_is_refused(self, clerk, of):
        response = send(clerk, "transfer", of, other=of.number, points="20", confirmed="1")

        assert "one and the same" in errors(response)


def test_without_transfers_in_the_rulebook_none_is_made(clerk, of):
    other = identity()

    response = send(clerk, "transfer", of, other=other.number, points="20", confirmed="1")

    assert "does not allow transfers" in errors(response)
    assert seqs(other) == 0


class TestReleaseHold:
    @pytest.fixture
    def held(self, of):
        posting = operations.hold(
            member=of, points=60, at=timezone.now(), until=datetime(2099, 1, 1, tzinfo=UTC),
            reference="H-1", source=source(),
        )  # fmt: skip
        return Entry.objects.get(member_id=of.id, seq=posting.seq)

    def test_gives_the_points_back_with_a_record(self, clerk, of, held):
        ledger = clerk.get(page("member-ledger", of.number))
        link = f"{page('member-release', of.number)}?entry={held.seq}"
        assert link in ledger.content.decode()

        send(clerk, "release", of, entry=held.seq)

        assert balance(of) == 100
        assert not Hold.objects.exists()
        assert AuditRecord.objects.get(action="points.hold_released").reason == "顾客来电"

    def test_a_hold_that_was_spent_meanwhile_is_no_choice_any_more(self, clerk, of, held):
        operations.confirm(held=held, at=timezone.now(), source=source())

        response = send(clerk, "release", of, entry=held.seq)

        assert errors(response)
        assert balance(of) == 40

    def test_spent_in_between_it_is_refused(self, of, held):
        operations.confirm(held=held, at=timezone.now(), source=source())

        with pytest.raises(operations.HoldEnded):
            operations.release_by_hand(held=held, at=timezone.now(), by=staff(), reason="x")
        assert not AuditRecord.objects.filter(action="points.hold_released").exists()


class TestExtend:
    def test_moves_the_last_day_of_the_chosen_lots(self, clerk, of):
        lot(of, 7, at=timezone.now(), expires_on=LAST_DAY)

        send(clerk, "extend", of, lots=["1"], last_day="2100-06-30")

        assert set(Lot.objects.filter(member_id=of.id).values_list("seq", "expires_on")) == {
            (1, date(2100, 6, 30)),
            (2, LAST_DAY),
        }
        entry = Entry.objects.get(kind="EXTEND")
        assert (entry.actor, entry.note) == (clerk.user, "顾客来电")
        assert AuditRecord.objects.filter(action="points.extended").count() == 1

    def test_sent_twice_it_is_done_once(self, clerk, of):
        address = page("member-extend", of.number)
        form = {
            "lots": ["1"], "last_day": "2100-06-30", "reason": "顾客来电",
            "reference": clerk.get(address).context["form"]["reference"].value(),
        }  # fmt: skip

        clerk.post(address, form)
        second = clerk.post(address, form, follow=True)

        assert "done already" in text_of(second)
        assert Entry.objects.filter(kind="EXTEND").count() == 1

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"last_day": "2099-12-31"}, "None of these points would lapse before"),
            ({"last_day": "2000-01-01"}, "None of these points would lapse before"),
            ({"last_day": "9999-12-31"}, "less than or equal"),
            ({"last_day": "soon"}, "valid date"),
            ({"lots": ["2"]}, "valid choice"),
            ({"lots": []}, "required"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, clerk, of, fields, said):
        response = send(clerk, "extend", of, **{"lots": ["1"], "last_day": "2100-06-30"} | fields)

        assert said in errors(response)
        assert not Entry.objects.filter(kind="EXTEND").exists()

    def test_where_all_points_end_together_single_lots_gain_nothing(self, clerk):
        of = identity()
        operations.earn(
            member=of, points=5, at=timezone.now(), expires_on=LAST_DAY, reference="E",
            source=source(), lapses_on=date(2099, 6, 30),
        )  # fmt: skip

        response = send(clerk, "extend", of, lots=["1"], last_day="2100-06-30")

        assert "end together" in errors(response)
