"""Four eyes (P9, X1, I10): who may ask, who may decide, and what the database holds by itself."""

import os
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, ProgrammingError, connection, transaction

from common import approvals
from common.errors import NotFound
from common.models import Approval, ApprovalState, AuditRecord, User
from members import operations as members
from tests.factories import member, staff
from tests.factories.points import NOON
from tests.wishes import KIND, PERMISSION, OutOfReach, wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wishing")]
LATER = NOON + timedelta(hours=3)


@pytest.fixture
def alice() -> User:
    """She asks."""
    return staff(username="alice", is_superuser=False)


@pytest.fixture
def bob() -> User:
    """He may decide."""
    user = staff(username="bob", is_superuser=False)
    user.user_permissions.add(permission())
    return user


@pytest.fixture
def charlie() -> User:
    """He works here, and no more."""
    return staff(username="charlie", is_superuser=False)


def permission() -> Permission:
    label, codename = PERMISSION.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


def granted():
    return list(AuditRecord.objects.filter(action="wish.granted").values_list("target", flat=True))


def trail():
    records = AuditRecord.objects.filter(action__startswith="approval.").order_by("pk")
    return [(record.action, record.actor.username, record.reason) for record in records]


def assert_still_pending(approval):
    approval.refresh_from_db()
    assert (approval.state, approval.decided_by, approval.decided_at) == ("PENDING", None, None)
    assert granted() == []
    assert len(trail()) == 1


class TestRequest:
    def test_writes_who_asks_for_what_and_performs_nothing(self, alice):
        approval = wish(by=alice, reason="  生日 ")

        approval.refresh_from_db()
        assert (approval.requested_by, approval.requested_at) == (alice, NOON)
        assert (approval.payload, approval.target, approval.reason) == (
            {"what": "cake", "count": 1200},
            "M0000000018",
            "生日",
        )
        assert_still_pending(approval)
        record = AuditRecord.objects.get(action="approval.requested")
        assert (record.target, record.details) == (
            "M0000000018",
            {"approval": approval.pk, "kind": KIND},
        )

    def test_keeps_days_and_money_as_json_does(self, alice):
        payload = {"what": "cake", "on": date(2028, 2, 29), "price": Decimal("9.90")}

        first, again = (wish(by=alice, payload=payload) for _ in range(2))

        assert first == again
        first.refresh_from_db()
        assert first.payload == {"what": "cake", "on": "2028-02-29", "price": "9.90"}

    def test_asked_twice_stands_once(self, alice, bob):
        first = wish(by=alice)
        assert wish(by=alice, at=LATER) == first
        approvals.approve(approval_id=first.pk, by=bob, at=LATER)

        assert wish(by=alice).state == ApprovalState.APPROVED

        assert Approval.objects.get().requested_at == NOON
        assert granted() == ["cake"]
        assert [action for action, _, _ in trail()] == ["approval.requested", "approval.approved"]

    @pytest.mark.parametrize(
        "other", [{"payload": {"what": "tea"}}, {"target": "M2"}, {"reason": "另一个"}]
    )
    def test_a_reference_stands_for_one_request(self, alice, other):
        wish(by=alice)

        with pytest.raises(approvals.ReferenceReused):
            wish(by=alice, **other)

        assert Approval.objects.count() == AuditRecord.objects.count() == 1

    def test_a_reference_is_its_first_users_own(self, alice, charlie):
        wish(by=alice)

        with pytest.raises(approvals.ReferenceReused):
            wish(by=charlie)

    @pytest.mark.parametrize(
        ("fields", "refusal"),
        [
            ({"kind": "test.nothing"}, approvals.UnknownKind),
            ({"reason": ""}, approvals.ReasonMissing),
            ({"reason": " \n　"}, approvals.ReasonMissing),
        ],
    )
    def test_is_refused_without_a_trace(self, alice, fields, refusal):
        with pytest.raises(refusal):
            wish(by=alice, **fields)

        assert not Approval.objects.exists()
        assert not AuditRecord.objects.exists()

    @pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}])
    def test_only_active_staff_ask_whatever_their_session_says(self, alice, fields):
        User.objects.filter(pk=alice.pk).update(**fields)

        with pytest.raises(approvals.NotOnTheStaff):
            wish(by=alice)

        assert not Approval.objects.exists()

    def test_members_ask_for_nothing(self):
        with pytest.raises(approvals.NotOnTheStaff):
            wish(by=members.login_for(member_id=member().pk))


class TestApprove:
    def test_performs_with_both_names_in_the_transaction_of_the_decision(self, alice, bob):
        approval = wish(by=alice)

        approvals.approve(approval_id=approval.pk, by=bob, at=LATER, note=" 好 ")

        approval.refresh_from_db()
        assert (approval.state, approval.note) == ("APPROVED", "好")
        assert (approval.decided_by, approval.decided_at) == (bob, LATER)
        done = AuditRecord.objects.get(action="wish.granted")
        assert done.actor == bob
        assert done.details == {
            "asked_by": alice.pk,
            "approval": approval.pk,
            "at": "2026-06-15T07:00:00Z",
        }
        assert trail() == [
            ("approval.requested", "alice", "生日"),
            ("approval.approved", "bob", "好"),
        ]

    def test_the_operation_finds_itself_approved(self, alice, bob, monkeypatch):
        """So that its tables can demand it."""
        found = []

        def look(*, approval_id, **_):
            found.append(Approval.objects.get(pk=approval_id).state)

        monkeypatch.setattr(approvals, "_kinds", {})
        approvals.kind(
            name=KIND, title="", permission=PERMISSION, perform=look, describe=lambda _payload: []
        )
        approvals.approve(approval_id=wish(by=alice).pk, by=bob, at=LATER)

        assert found == ["APPROVED"]

    def test_what_the_operation_refuses_is_not_decided_and_can_be_rejected(self, alice, bob):
        approval = wish(by=alice, payload={"what": "the moon"})

        with pytest.raises(OutOfReach):
            approvals.approve(approval_id=approval.pk, by=bob, at=LATER)

        assert_still_pending(approval)
        approvals.reject(approval_id=approval.pk, by=bob, at=LATER, note="太远")
        approval.refresh_from_db()
        assert approval.state == ApprovalState.REJECTED

    def test_nobody_approves_their_own_not_even_a_superuser(self):
        boss = staff(username="boss")
        approval = wish(by=boss)

        with pytest.raises(approvals.OwnRequest):
            approvals.approve(approval_id=approval.pk, by=boss, at=LATER)
        with pytest.raises(approvals.OwnRequest):
            approvals.reject(approval_id=approval.pk, by=boss, at=LATER, note="不")

        assert_still_pending(approval)

    def test_demands_the_permission_of_the_kind(self, alice, charlie):
        approval = wish(by=alice)

        with pytest.raises(approvals.NotAllowedToDecide):
            approvals.approve(approval_id=approval.pk, by=charlie, at=LATER)
        with pytest.raises(approvals.NotAllowedToDecide):
            approvals.reject(approval_id=approval.pk, by=charlie, at=LATER, note="不")

        assert_still_pending(approval)

    def test_a_permission_taken_away_counts_at_once(self, alice, bob):
        approval = wish(by=alice)
        assert bob.has_perm(PERMISSION)
        bob.user_permissions.clear()

        with pytest.raises(approvals.NotAllowedToDecide):
            approvals.approve(approval_id=approval.pk, by=bob, at=LATER)

        assert_still_pending(approval)

    @pytest.mark.parametrize("who", ["alice", "bob"])
    @pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}])
    def test_both_must_be_active_staff_at_that_time(self, alice, bob, who, fields):
        approval = wish(by=alice)
        User.objects.filter(username=who).update(**fields)

        with pytest.raises(approvals.NotOnTheStaff) as refusal:
            approvals.approve(approval_id=approval.pk, by=bob, at=LATER)

        assert refusal.value.details == {"login": who}
        assert_still_pending(approval)

    def test_what_one_who_left_asked_for_can_be_rejected(self, alice, bob):
        approval = wish(by=alice)
        User.objects.filter(pk=alice.pk).update(is_active=False)

        approvals.reject(approval_id=approval.pk, by=bob, at=LATER, note="已离职")

        approval.refresh_from_db()
        assert approval.state == ApprovalState.REJECTED

    @pytest.mark.parametrize("state", ["APPROVED", "REJECTED", "WITHDRAWN"])
    def test_a_decision_is_final(self, alice, bob, state):
        approval = wish(by=alice)
        decide = {
            "APPROVED": lambda: approvals.approve(approval_id=approval.pk, by=bob, at=LATER),
            "REJECTED": lambda: approvals.reject(
                approval_id=approval.pk, by=bob, at=LATER, note="不"
            ),
            "WITHDRAWN": lambda: approvals.withdraw(approval_id=approval.pk, by=alice, at=LATER),
        }
        decide[state]()
        done = granted()

        for again in decide.values():
            with pytest.raises(approvals.AlreadyDecided):
                again()

        approval.refresh_from_db()
        assert approval.state == state
        assert granted() == done == (["cake"] if state == "APPROVED" else [])
        assert len(trail()) == 2

    def test_of_an_older_releases_kind_a_superuser_can_only_reject(self, alice, bob, monkeypatch):
        approval = wish(by=alice)
        monkeypatch.setattr(approvals, "_kinds", {})
        boss = staff()

        with pytest.raises(approvals.NotAllowedToDecide):
            approvals.reject(approval_id=approval.pk, by=bob, at=LATER, note="不")
        with pytest.raises(approvals.UnknownKind):
            approvals.approve(approval_id=approval.pk, by=boss, at=LATER)
        assert_still_pending(approval)

        approvals.reject(approval_id=approval.pk, by=boss, at=LATER, note="不再提供")
        approval.refresh_from_db()
        assert approval.state == ApprovalState.REJECTED

    @pytest.mark.parametrize("approval_id", [0, 10**30])
    def test_what_was_never_asked_for_is_not_found(self, alice, bob, approval_id):
        with pytest.raises(NotFound):
            approvals.approve(approval_id=approval_id, by=bob, at=LATER)
        with pytest.raises(NotFound):
            approvals.withdraw(approval_id=approval_id, by=alice, at=LATER)


class TestReject:
    def test_says_why_and_performs_nothing(self, alice, bob):
        approval = wish(by=alice)

        approvals.reject(approval_id=approval.pk, by=bob, at=LATER, note="没有单据")

        approval.refresh_from_db()
        assert (approval.state, approval.decided_by, approval.decided_at, approval.note) == (
            "REJECTED",
            bob,
            LATER,
            "没有单据",
        )
        assert granted() == []
        assert trail()[1] == ("approval.rejected", "bob", "没有单据")

    @pytest.mark.parametrize("note", ["", "  "])
    def test_is_refused_without_a_note(self, alice, bob, note):
        approval = wish(by=alice)

        with pytest.raises(approvals.ReasonMissing):
            approvals.reject(approval_id=approval.pk, by=bob, at=LATER, note=note)

        assert_still_pending(approval)


class TestWithdraw:
    def test_takes_back_what_one_asked_for(self, alice):
        approval = wish(by=alice)

        approvals.withdraw(approval_id=approval.pk, by=alice, at=LATER)

        approval.refresh_from_db()
        assert (approval.state, approval.decided_by) == ("WITHDRAWN", alice)
        assert granted() == []
        assert trail()[1] == ("approval.withdrawn", "alice", "")

    def test_nobody_elses(self, alice, bob):
        approval = wish(by=alice)

        for other in (bob, staff()):
            with pytest.raises(approvals.NotYourRequest):
                approvals.withdraw(approval_id=approval.pk, by=other, at=LATER)

        assert_still_pending(approval)

    def test_not_after_leaving(self, alice):
        approval = wish(by=alice)
        User.objects.filter(pk=alice.pk).update(is_active=False)

        with pytest.raises(approvals.NotOnTheStaff):
            approvals.withdraw(approval_id=approval.pk, by=alice, at=LATER)

        assert_still_pending(approval)


class TestWaitingFor:
    def test_is_what_others_asked_for_and_one_may_decide(self, alice, bob, charlie):
        waiting = wish(by=alice)
        wish(by=bob, reference="own")
        decided = wish(by=alice, reference="decided")
        approvals.reject(approval_id=decided.pk, by=bob, at=LATER, note="不")

        assert list(approvals.waiting_for(bob)) == [waiting]
        assert list(approvals.waiting_for(charlie)) == []

    def test_asks_the_database_nothing_when_no_kind_is_registered(
        self, bob, monkeypatch, django_assert_num_queries
    ):
        monkeypatch.setattr(approvals, "_kinds", {})

        with django_assert_num_queries(0):
            assert approvals.waiting_for(bob).count() == 0


def test_a_kind_is_registered_once():
    with pytest.raises(AssertionError, match="registered already"):
        approvals.kind(
            name=KIND, title="", permission=PERMISSION, perform=print, describe=lambda _: []
        )


def write(sql, *parameters):
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(sql, parameters)


class TestTheDatabase:
    """Each promise of the table, broken once past the operations."""

    @pytest.fixture
    def pending(self, alice):
        return wish(by=alice)

    @pytest.fixture
    def decided(self, pending, bob):
        return approvals.approve(approval_id=pending.pk, by=bob, at=LATER, note="好")

    DECIDE = (
        "UPDATE common_approval SET state = %s, decided_by_id = %s, decided_at = now(), note = %s"
    )

    @pytest.mark.parametrize("state", ["APPROVED", "REJECTED"])
    def test_who_asks_does_not_decide(self, pending, alice, state):
        with pytest.raises(IntegrityError, match="common_approval_by_another"):
            write(self.DECIDE, state, alice.pk, "x")

    def test_who_withdraws_is_who_asked(self, pending, bob):
        with pytest.raises(IntegrityError, match="common_approval_by_another"):
            write(self.DECIDE, "WITHDRAWN", bob.pk, "")

    @pytest.mark.parametrize("state", ["FAILED", "approved", ""])
    def test_there_are_no_other_states(self, pending, bob, state):
        with pytest.raises(IntegrityError, match="common_approval_by_another"):
            write(self.DECIDE, state, bob.pk, "x")

    @pytest.mark.parametrize(
        "assignment",
        [
            "state = 'APPROVED'",
            "state = 'WITHDRAWN', decided_by_id = requested_by_id",
            "state = 'REJECTED', decided_at = now(), note = 'x'",
            "decided_at = now()",
            "decided_by_id = requested_by_id",
            "note = 'x'",
        ],
    )
    def test_a_decision_is_whole(self, pending, assignment):
        with pytest.raises(IntegrityError, match="common_approval_decision_is_whole"):
            write(f"UPDATE common_approval SET {assignment}")

    def test_a_rejection_says_why(self, pending, bob):
        with pytest.raises(IntegrityError, match="common_approval_rejection_says_why"):
            write(self.DECIDE, "REJECTED", bob.pk, "")

    @pytest.mark.parametrize(
        "assignment",
        [
            'payload = \'{"what": "tea"}\'',
            "kind = 'test.other'",
            "target = 'M2'",
            "reason = 'x'",
            "reference = 'x'",
            "requested_at = now()",
            "requested_by_id = (SELECT max(id) FROM common_user)",
            "id = id + 1",
        ],
    )
    @pytest.mark.parametrize("with_the_decision", [False, True])
    def test_what_was_asked_stays(self, pending, bob, assignment, with_the_decision):
        decision = f", state = 'APPROVED', decided_by_id = {bob.pk}, decided_at = now()"

        with pytest.raises(IntegrityError, match="asks for cannot be changed"):
            write(
                f"UPDATE common_approval SET {assignment}" + (decision if with_the_decision else "")
            )

    @pytest.mark.parametrize(
        "assignment",
        [
            "note = ''",
            "state = 'PENDING', decided_by_id = NULL, decided_at = NULL, note = ''",
            "state = 'REJECTED'",
            "decided_at = now()",
            "payload = payload",
        ],
    )
    def test_what_was_decided_stays(self, decided, assignment):
        with pytest.raises(IntegrityError, match="is decided and cannot be changed"):
            write(f"UPDATE common_approval SET {assignment}")

    def test_nothing_is_decided_before_it_is_asked_for(self, alice, bob):
        with pytest.raises(IntegrityError, match="asked for before it is decided"):
            Approval.objects.create(
                kind=KIND,
                reference="x",
                payload={},
                target="M1",
                reason="x",
                requested_by=alice,
                requested_at=NOON,
                state="APPROVED",
                decided_by=bob,
                decided_at=NOON,
            )

    @pytest.mark.parametrize("blank", ["reference", "target", "reason"])
    def test_is_named_and_reasoned(self, alice, blank):
        fields = {"reference": "x", "target": "M1", "reason": "x"} | {blank: ""}

        with pytest.raises(IntegrityError, match="common_approval_is_named_and_reasoned"):
            Approval.objects.create(
                kind=KIND, payload={}, requested_by=alice, requested_at=NOON, **fields
            )

    def test_a_reference_is_used_once(self, pending, bob):
        with pytest.raises(IntegrityError, match="common_approval_reference_once"):
            Approval.objects.create(
                kind=KIND,
                reference="W1",
                payload={},
                target="M1",
                reason="x",
                requested_by=bob,
                requested_at=NOON,
            )

    @pytest.mark.parametrize("who", ["alice", "bob"])
    @pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}])
    def test_both_are_active_staff(self, pending, bob, who, fields):
        User.objects.filter(username=who).update(**fields)

        with pytest.raises(IntegrityError, match="active staff"):
            write(self.DECIDE, "APPROVED", bob.pk, "")

    def test_who_asks_is_active_staff(self, alice):
        User.objects.filter(pk=alice.pk).update(is_active=False)

        with pytest.raises(IntegrityError, match="active staff"):
            Approval.objects.create(
                kind=KIND,
                reference="x",
                payload={},
                target="M1",
                reason="x",
                requested_by=alice,
                requested_at=NOON,
            )

    def test_a_login_that_asked_or_decided_cannot_go(self, decided):
        with pytest.raises(IntegrityError):
            write("DELETE FROM common_user WHERE username = 'alice'; SET CONSTRAINTS ALL IMMEDIATE")

    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
    def test_the_application_deletes_none(self, pending, statement):
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        with pytest.raises(ProgrammingError, match="permission denied for table common_approval"):
            write(statement.format("common_approval"))

    def test_the_application_cannot_step_around(self, pending):
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        with pytest.raises(ProgrammingError, match="must be owner"):
            write("ALTER TABLE common_approval DISABLE TRIGGER decided_once")

    def test_the_application_can_do_its_work(self, alice, bob):
        write(f"SET LOCAL ROLE {os.environ['TEST_APP_ROLE']}")

        approvals.approve(approval_id=wish(by=alice).pk, by=bob, at=LATER)

        assert granted() == ["cake"]
