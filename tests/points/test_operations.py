"""What can be done with points, one class per operation."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction

from common.models import AuditRecord
from members import operations as members
from members.queries import MemberClosed, MemberFrozen, MemberNotActivated
from points import operations, queries
from points.models import Account, Activity, AdjustmentReason, Entry, Lot, PointType
from tests import factories
from tests.factories import (
    buy,
    dealer,
    identity,
    lot,
    main_store,
    member,
    plain,
    source,
    staff,
    store,
)
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 6, 15)
LONG = date(2027, 6, 30)


def lots(of):
    """The open lots as {number: remaining}."""
    return dict(Lot.objects.filter(member_id=of.id).values_list("seq", "remaining"))


def entries(of):
    return list(
        Entry.objects.filter(member_id=of.id)
        .order_by("seq")
        .values_list("seq", "kind", "points", "balance_after")
    )


def latest(of):
    return Entry.objects.filter(member_id=of.id).order_by("-seq").first()


def redeem(of, points, *, at=NOON, reference="R1", source=None, note=""):
    return operations.redeem(
        member=of,
        points=points,
        at=at,
        reference=reference,
        source=source or factories.source(),
        note=note,
    )


def adjust(of, points, *, by, **fields):
    return operations.adjust(
        **{
            "member": of,
            "points": points,
            "at": NOON,
            "expires_on": LONG,
            "reason": AdjustmentReason.GOODWILL,
            "note": "long wait",
            "reference": "A1",
            "source": factories.source(),
            "by": by,
        }
        | fields
    )


def in_debt(of, debt):
    """An account below zero, as a return after spending leaves it."""
    from tests.points.returning import give_back

    plain()
    buy(of, f"{debt * 10}.00", reference="debt")
    redeem(of, debt, reference="debt")
    give_back("debt", f"{debt * 10}.00", reference="debt-return")
    assert queries.balance(of.id) == -debt


BAD_POINTS = [0, -1, 10**12 + 1, 2**63, 1.5, True, Decimal(3), "3", None, float("nan")]
BAD_REFERENCES = ["", " ", " R1", "R1 ", "R\x001", "R\n1", "\ud800", "R" * 65]


class TestEarn:
    def test_makes_a_lot_of_its_own(self):
        of = identity()

        first = lot(of, 100)
        second = lot(of, 30)

        assert (first.seq, first.balance_after, first.replayed) == (1, 100, False)
        assert (second.seq, second.balance_after) == (2, 130)
        assert lots(of) == {1: 100, 2: 30}
        assert entries(of) == [(1, "EARN", 100, 100), (2, "EARN", 30, 130)]

    def test_writes_down_all_it_was_told(self):
        of, shop, version = identity(), store(), plain()

        operations.earn(
            member=of,
            points=7,
            at=NOON,
            expires_on=LONG,
            reference="𠮷㑇-7",
            source=source(shop, version_id=version.pk),
            type=PointType.ACTIVITY,
        )

        entry = latest(of)
        assert (entry.kind, entry.type, entry.reference) == ("EARN", "ACTIVITY", "𠮷㑇-7")
        assert (entry.issuer_id, entry.store_id) == (shop.organization_id, shop.pk)
        assert (entry.version_id, entry.effective_at, entry.expires_on) == (version.pk, NOON, LONG)

    @pytest.mark.parametrize(
        ("earned", "left", "balance"),
        [(29, {}, -1), (30, {}, 0), (31, {4: 1}, 1), (100, {4: 70}, 70)],
    )
    def test_pays_a_debt_first(self, earned, left, balance):
        of = identity()
        in_debt(of, 30)

        posting = lot(of, earned)

        assert (posting.seq, posting.balance_after) == (4, balance)
        assert lots(of) == left
        # The lot tells what the credit brought; the debt took the rest of it.
        found = Lot.objects.filter(member_id=of.id).with_credit()
        assert [lot.credit for lot in found] == [earned] * len(left)

    def test_a_repeat_gets_the_first_answer(self):
        of = identity()
        first = lot(of, 100, reference="E1")
        lot(of, 5)

        again = lot(of, 100, reference="E1")

        assert again == replace(first, replayed=True)
        assert queries.balance(of.id) == 105

    @pytest.mark.parametrize("other", ["member", "points", "store"])
    def test_a_reference_stands_for_one_thing(self, other):
        of = identity()
        lot(of, 100, reference="E1")
        asked = {
            "member": identity() if other == "member" else of,
            "points": 101 if other == "points" else 100,
            "source": source(
                store(organization=main_store().organization) if other == "store" else None
            ),
        }

        with pytest.raises(operations.ReferenceReused) as refusal:
            operations.earn(**asked, at=NOON, expires_on=LONG, reference="E1")

        assert refusal.value.details == {"reference": "E1"}
        assert Entry.objects.count() == 1
        assert queries.balance(of.id) == 100

    def test_another_issuer_may_use_the_same_reference(self):
        of = identity()
        lot(of, 100, reference="E1")

        operations.earn(
            member=of, points=1, at=NOON, expires_on=LONG, reference="E1", source=source(store())
        )

        assert queries.balance(of.id) == 101

    def test_another_kind_may_use_the_same_reference(self):
        of = identity()
        lot(of, 100, reference="R1")

        redeem(of, 40, reference="R1")

        assert queries.balance(of.id) == 60

    @pytest.mark.parametrize("points", BAD_POINTS)
    def test_points_are_whole_and_within_reason(self, points):
        of = identity()

        with pytest.raises(operations.PointsOutOfRange):
            lot(of, points)

        assert not Account.objects.exists()

    def test_the_most_there_can_be(self):
        of = identity()

        assert lot(of, 10**12).balance_after == 10**12

    @pytest.mark.parametrize("reference", BAD_REFERENCES)
    def test_a_reference_is_a_name(self, reference):
        of = identity()

        with pytest.raises(operations.InvalidReference):
            operations.earn(
                member=of, points=1, at=NOON, expires_on=LONG, reference=reference, source=source()
            )

        assert not Entry.objects.exists()

    def test_points_cannot_lapse_before_they_are_there(self):
        """Balances as of the days between would be below zero."""
        of = identity()

        with pytest.raises(operations.LapsedAlready):
            lot(of, 10, expires_on=TODAY - timedelta(days=1))

        assert not Entry.objects.exists()
        assert lot(of, 10, expires_on=TODAY).balance_after == 10

    def test_the_last_day_is_judged_in_the_programmes_zone(self):
        # Still 14 June in London, 15 June in Shanghai.
        at = datetime(2026, 6, 14, 17, tzinfo=UTC)

        with pytest.raises(operations.LapsedAlready):
            lot(identity(), 10, at=at, expires_on=date(2026, 6, 14))

    def test_who_is_frozen_or_gone_earns_nothing(self):
        frozen, closed = member(), member()
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        with pytest.raises(MemberFrozen):
            lot(identity(frozen), 10)
        with pytest.raises(MemberClosed):
            lot(identity(closed), 10)

        assert not Entry.objects.exists()

    def test_who_is_pre_registered_earns(self):
        assert lot(identity(active=False), 10).balance_after == 10

    def test_a_repeat_of_before_the_freeze_is_still_a_repeat(self):
        who = member()
        first = lot(identity(who), 10, reference="E1")
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        assert lot(identity(who), 10, reference="E1") == replace(first, replayed=True)

    def test_costs_one_statement(self, django_assert_num_queries):
        of, origin = identity(), source()
        lot(of, 1)

        # In a transaction a savepoint and its release stand around it (see TestStatements).
        with django_assert_num_queries(3):
            operations.earn(
                member=of, points=1, at=NOON, expires_on=LONG, reference="E9", source=origin
            )


class TestRedeem:
    def test_burns_the_soonest_expiring_lot_first(self):
        of = identity()
        late = lot(of, 100, expires_on=date(2028, 1, 31)).seq
        soon = lot(of, 100, expires_on=date(2026, 6, 30)).seq
        same_day_but_newer = lot(of, 100, expires_on=date(2026, 6, 30)).seq

        posting = redeem(of, 230)

        assert (posting.seq, posting.balance_after) == (4, 70)
        assert lots(of) == {late: 70}
        entry = latest(of)
        assert (entry.lot_seq, entry.lot_points) == (
            [soon, same_day_but_newer, late],
            [-100, -100, -30],
        )
        assert (entry.kind, entry.points, entry.expires_on) == ("REDEEM", -230, None)

    def test_spends_to_the_last_point(self):
        of = identity()
        lot(of, 100)

        assert redeem(of, 100).balance_after == 0
        assert lots(of) == {}

    @pytest.mark.parametrize("points", [101, 10**12])
    def test_cannot_spend_more_than_there_is(self, points):
        of = identity()
        lot(of, 100)

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, points)

        assert refusal.value.details == {"requested": points, "spendable": 100}
        assert entries(of) == [(1, "EARN", 100, 100)]
        assert Account.objects.get(pk=of.id).seq == 1
        assert lots(of) == {1: 100}

    def test_who_never_earned_has_nothing(self):
        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(identity(), 1)

        assert refusal.value.details == {"requested": 1, "spendable": 0}

    def test_a_debt_cannot_be_spent(self):
        of = identity()
        in_debt(of, 30)

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, 1)

        assert refusal.value.details["spendable"] == 0

    @pytest.mark.parametrize(
        ("at", "good"),
        [
            (datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=SHANGHAI), True),
            (datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC), True),
            (datetime(2026, 7, 1, 0, 0, tzinfo=SHANGHAI), False),
            (datetime(2026, 6, 30, 16, 0, tzinfo=UTC), False),
        ],
    )
    def test_the_last_day_is_usable_to_its_end_in_the_programmes_zone(self, at, good):
        of = identity()
        lot(of, 100, expires_on=date(2026, 6, 30))

        if good:
            assert redeem(of, 100, at=at).balance_after == 0
        else:
            with pytest.raises(operations.InsufficientPoints):
                redeem(of, 1, at=at)
            assert entries(of) == [(1, "EARN", 100, 100)]

    def test_passes_over_lapsed_lots_the_night_has_not_swept(self):
        of = identity()
        lot(of, 100, expires_on=date(2026, 6, 30))
        lot(of, 50, expires_on=date(2026, 12, 31))
        july = NOON + timedelta(days=30)

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, 51, at=july)
        assert refusal.value.details == {"requested": 51, "spendable": 50}
        assert lots(of) == {1: 100, 2: 50}

        assert redeem(of, 50, at=july).balance_after == 100
        assert lots(of) == {1: 100}

    def test_told_of_late_it_takes_what_was_good_on_its_day(self):
        of = identity()
        lot(of, 100, expires_on=date(2026, 6, 30), at=datetime(2026, 1, 1, tzinfo=UTC))

        assert redeem(of, 100, at=datetime(2026, 6, 29, tzinfo=UTC)).balance_after == 0

    def test_told_of_late_it_cannot_spend_what_was_earned_since(self):
        """As of the days between, the balance would be below zero without any return."""
        of = identity()
        lot(of, 40, at=datetime(2026, 6, 1, 4, tzinfo=UTC))
        lot(of, 100, at=datetime(2026, 6, 10, 4, tzinfo=UTC), expires_on=date(2026, 6, 30))

        with pytest.raises(operations.InsufficientPoints) as refusal:
            redeem(of, 41, at=datetime(2026, 6, 9, 4, tzinfo=UTC))
        assert refusal.value.details == {"requested": 41, "spendable": 40}
        assert lots(of) == {1: 40, 2: 100}

        # It takes the older lot, though the newer lapses sooner.
        redeem(of, 40, at=datetime(2026, 6, 9, 4, tzinfo=UTC))
        assert lots(of) == {2: 100}
        assert queries.balance_as_of(of.id, date(2026, 6, 9)) == 0
        assert queries.balance_as_of(of.id, date(2026, 6, 10)) == 100

    def test_points_of_the_same_day_can_be_spent_on_it_whatever_the_tills_clocks_say(self):
        of = identity()
        lot(of, 40, at=NOON + timedelta(minutes=4))

        assert redeem(of, 40, at=NOON).balance_after == 0

    def test_a_repeat_gets_the_first_answer_even_when_nothing_is_left(self):
        of = identity()
        lot(of, 100)
        first = redeem(of, 100)

        assert redeem(of, 100) == replace(first, replayed=True)
        lot(of, 100)
        assert redeem(of, 100) == replace(first, replayed=True)
        assert queries.balance(of.id) == 100

    def test_a_repeat_spoils_no_transaction_it_is_part_of(self):
        of = identity()
        lot(of, 200)
        redeem(of, 100)

        with transaction.atomic():
            redeem(of, 100)
            redeem(of, 10, reference="R2")

        assert queries.balance(of.id) == 90

    @pytest.mark.parametrize("other", ["member", "points", "store", "note"])
    def test_a_reference_stands_for_one_thing(self, other):
        of, another = identity(), identity()
        lot(of, 100)
        lot(another, 100)
        redeem(of, 10, note="mug")
        asked = {
            "of": another if other == "member" else of,
            "points": 11 if other == "points" else 10,
            "note": "cup" if other == "note" else "mug",
            "source": source(
                store(organization=main_store().organization) if other == "store" else None
            ),
        }

        with pytest.raises(operations.ReferenceReused):
            redeem(**asked)

        assert (queries.balance(of.id), queries.balance(another.id)) == (90, 100)

    def test_a_repeat_for_more_than_is_left_is_told_what_it_is(self):
        of = identity()
        lot(of, 100)
        redeem(of, 100)

        with pytest.raises(operations.ReferenceReused):
            redeem(of, 99)

    def test_issuers_do_not_share_references(self):
        of = identity()
        lot(of, 100)
        redeem(of, 10)

        redeem(of, 10, source=source(store(dealer())))

        assert queries.balance(of.id) == 80

    @pytest.mark.parametrize("points", BAD_POINTS)
    def test_points_are_whole_and_within_reason(self, points):
        of = identity()
        lot(of, 100)

        with pytest.raises(operations.PointsOutOfRange):
            redeem(of, points)

        assert lots(of) == {1: 100}

    @pytest.mark.parametrize("reference", BAD_REFERENCES)
    def test_a_reference_is_a_name(self, reference):
        of = identity()
        lot(of, 100)

        with pytest.raises(operations.InvalidReference):
            redeem(of, 1, reference=reference)

        assert lots(of) == {1: 100}

    @pytest.mark.parametrize("note", ["n" * 201, "a\x00b", "\ud800"])
    def test_a_note_is_a_short_text(self, note):
        of = identity()
        lot(of, 100)

        with pytest.raises(operations.InvalidNote):
            redeem(of, 1, note=note)

        assert lots(of) == {1: 100}

    def test_only_an_active_member_spends(self):
        waiting, frozen, closed = member(active=False), member(), member()
        for who in (waiting, frozen, closed):
            lot(identity(who), 10)
        members.freeze(member_id=frozen.pk, by=staff(), reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=None, reason="x")

        for who, refusal in (
            (waiting, MemberNotActivated),
            (frozen, MemberFrozen),
            (closed, MemberClosed),
        ):
            with pytest.raises(refusal):
                redeem(identity(who), 1)
        assert not Entry.objects.filter(kind="REDEEM").exists()

    def test_a_repeat_of_before_the_freeze_is_still_a_repeat(self):
        who = member()
        lot(identity(who), 10)
        first = redeem(identity(who), 10)
        members.freeze(member_id=who.pk, by=staff(), reason="x")

        assert redeem(identity(who), 10) == replace(first, replayed=True)

    def test_costs_the_same_statement_however_many_lots(self, django_assert_num_queries):
        of, origin = identity(), source()
        plain()
        for day in range(50):
            lot(of, 2, expires_on=LONG + timedelta(days=day))
        redeem(of, 1, reference="R0")  # a process reads the rulebook once

        with django_assert_num_queries(3):
            operations.redeem(member=of, points=98, at=NOON, reference="R1", source=origin)

        assert queries.balance(of.id) == 1


class TestAdjust:
    def test_up_makes_a_lot_with_a_reason_and_a_name_on_it(self):
        of, by = identity(), staff()

        posting = adjust(of, 50, by=by)

        assert (posting.seq, posting.balance_after, posting.replayed) == (1, 50, False)
        entry = latest(of)
        assert (entry.kind, entry.type, entry.points) == ("ADJUST", "OTHER", 50)
        assert (entry.reason, entry.note, entry.actor_id) == ("GOODWILL", "long wait", by.pk)
        assert lots(of) == {1: 50}
        record = AuditRecord.objects.get(action="points.adjusted")
        assert (record.target, record.actor_id, record.reason) == (
            of.number,
            by.pk,
            "GOODWILL: long wait",
        )
        assert record.details == {"points": 50, "entry": 1}

    def test_down_takes_lots_in_the_order_of_spending(self):
        of, by = identity(), staff()
        lot(of, 100)
        lot(of, 100, expires_on=date(2026, 6, 30))

        adjust(of, -150, by=by, reason=AdjustmentReason.DUPLICATE)

        assert lots(of) == {1: 50}
        assert entries(of)[-1] == (3, "ADJUST", -150, 50)

    def test_down_makes_no_debt(self):
        of, by = identity(), staff()
        lot(of, 100)

        with pytest.raises(operations.InsufficientPoints):
            adjust(of, -101, by=by)

        assert lots(of) == {1: 100}
        assert not AuditRecord.objects.filter(action="points.adjusted").exists()

    def test_up_pays_a_debt(self):
        of = identity()
        in_debt(of, 30)

        assert adjust(of, 50, by=staff()).balance_after == 20

    @pytest.mark.parametrize("points", [50, -50])
    def test_a_second_click_changes_nothing(self, points):
        of, by = identity(), staff()
        lot(of, 50)
        first = adjust(of, points, by=by)

        assert adjust(of, points, by=by) == replace(first, replayed=True)

        assert Entry.objects.filter(kind="ADJUST").count() == 1
        assert AuditRecord.objects.filter(action="points.adjusted").count() == 1

    @pytest.mark.parametrize(
        "other",
        [{"points": 51}, {"note": "other"}, {"reason": AdjustmentReason.FRAUD}, {"member": None}],
    )
    def test_a_reference_stands_for_one_correction(self, other):
        of, by = identity(), staff()
        adjust(of, 50, by=by)
        asked = {"points": 50, "member": of} | other
        asked["member"] = asked["member"] or identity()

        with pytest.raises(operations.ReferenceReused):
            adjust(of, asked.pop("points"), by=by, **asked)

        assert Entry.objects.count() == 1

    def test_a_frozen_member_may_be_corrected_a_closed_one_not(self):
        frozen, closed, by = member(), member(), staff()
        members.freeze(member_id=frozen.pk, by=by, reason="x")
        members.close(member_id=closed.pk, closed_at=NOON, by=by, reason="x")

        assert adjust(identity(frozen), 5, by=by).balance_after == 5
        with pytest.raises(MemberClosed):
            adjust(identity(closed), 5, by=by, reference="A2")
        assert not Entry.objects.filter(member_id=closed.pk).exists()

    @pytest.mark.parametrize("points", [0, 10**12 + 1, -(10**12) - 1, 1.5])
    def test_points_are_whole_and_within_reason(self, points):
        with pytest.raises(operations.PointsOutOfRange):
            adjust(identity(), points, by=staff())

        assert not Entry.objects.exists()

    def test_a_credit_cannot_lapse_before_it_is_there(self):
        with pytest.raises(operations.LapsedAlready):
            adjust(identity(), 5, by=staff(), expires_on=date(2026, 6, 14))

        assert not Entry.objects.exists()


class TestForfeit:
    def test_ends_what_is_left(self):
        of = identity()
        lot(of, 100)
        lot(of, 20, expires_on=date(2026, 8, 31))
        redeem(of, 10)

        posting = operations.forfeit(member_id=of.id, at=NOON)

        assert (posting.seq, posting.balance_after) == (4, 0)
        assert entries(of)[-1] == (4, "FORFEIT", -110, 0)
        assert lots(of) == {}

    def test_what_had_lapsed_before_expires_instead(self):
        of = identity()
        lot(of, 100, expires_on=date(2026, 6, 30))
        lot(of, 20)

        operations.forfeit(member_id=of.id, at=datetime(2026, 7, 1, 4, tzinfo=UTC))

        assert entries(of)[2:] == [(3, "EXPIRE", -100, 20), (4, "FORFEIT", -20, 0)]

    def test_twice_finds_nothing_left(self):
        of = identity()
        lot(of, 100)
        operations.forfeit(member_id=of.id, at=NOON)

        assert operations.forfeit(member_id=of.id, at=NOON) is None
        assert len(entries(of)) == 2

    def test_who_never_had_any_loses_none(self):
        assert operations.forfeit(member_id=identity().id, at=NOON) is None
        assert not Entry.objects.exists()

    def test_a_debt_stays(self):
        of = identity()
        in_debt(of, 30)

        assert operations.forfeit(member_id=of.id, at=NOON) is None
        assert queries.balance(of.id) == -30


class TestExpire:
    def test_writes_one_entry_per_last_day_effective_when_that_day_was_over(self):
        of = identity()
        lot(of, 10, expires_on=date(2026, 7, 31))
        lot(of, 20, expires_on=date(2026, 6, 30))
        lot(of, 5, expires_on=date(2026, 6, 30))
        lot(of, 40, expires_on=date(2026, 8, 31))

        found = operations.expire(low=of.id, high=of.id, on=date(2026, 8, 31))

        assert found == (1, 3, 35)
        assert entries(of)[4:] == [(5, "EXPIRE", -25, 50), (6, "EXPIRE", -10, 40)]
        june, july = Entry.objects.filter(member_id=of.id, kind="EXPIRE").order_by("seq")
        assert june.effective_at == datetime(2026, 7, 1, tzinfo=SHANGHAI)
        assert july.effective_at == datetime(2026, 8, 1, tzinfo=SHANGHAI)
        assert (june.lot_seq, june.lot_points) == ([2, 3], [-20, -5])
        assert lots(of) == {4: 40}
        assert Account.objects.get(pk=of.id).seq == 6

    def test_the_last_day_itself_is_still_good(self):
        of = identity()
        lot(of, 10, expires_on=date(2026, 6, 30))

        assert operations.expire(low=of.id, high=of.id, on=date(2026, 6, 30)) == (0, 0, 0)
        assert operations.expire(low=of.id, high=of.id, on=date(2026, 7, 1)) == (1, 1, 10)

    def test_twice_finds_nothing_left(self):
        of = identity()
        lot(of, 10, expires_on=date(2026, 6, 30))
        operations.expire(low=of.id, high=of.id, on=LONG)

        assert operations.expire(low=of.id, high=of.id, on=LONG) == (0, 0, 0)
        assert len(entries(of)) == 2

    def test_keeps_to_its_range_of_members(self):
        of = sorted((identity(), identity(), identity()), key=lambda one: one.id)
        for one in of:
            lot(one, 10, expires_on=date(2026, 6, 30))

        assert operations.expire(low=of[1].id, high=of[1].id, on=LONG) == (1, 1, 10)
        assert [queries.balance(one.id) for one in of] == [10, 0, 10]

    def test_what_never_lapses_never_lapses(self):
        of = identity()
        lot(of, 10, expires_on=date.max)

        assert operations.expire(low=of.id, high=of.id, on=date.max) == (0, 0, 0)
        assert redeem(of, 10, at=datetime(9999, 12, 30, tzinfo=UTC)).balance_after == 0


class TestPostPurchases:
    """Many at once; one at a time is tested with the rules in tests/campaigns."""

    def judged(self, of, reference, points=10, **fields):
        return operations.JudgedPurchase(
            **{
                "member": of,
                "reference": reference,
                "at": NOON,
                "amount": Decimal("100.00"),
                "lines": [],
                "fingerprint": b"%-16d" % points,
                "points": points,
                "expires_on": LONG,
                "explanation": {},
                "source": source(version_id=plain().pk),
            }
            | fields
        )

    def test_are_posted_in_the_order_given(self):
        of, another = identity(), identity()

        outcomes = operations.post_purchases(
            purchases=[
                self.judged(of, "P1", 10),
                self.judged(another, "P2", 7),
                self.judged(of, "P3", 5),
                self.judged(of, "P4", 0),
            ]
        )

        assert [(o.posting and (o.posting.seq, o.posting.balance_after)) for o in outcomes] == [
            (1, 10),
            (1, 7),
            (2, 15),
            None,
        ]
        assert Activity.objects.count() == 4

    def test_a_refusal_stands_in_its_place_and_harms_no_other(self):
        of, who = identity(), member()
        early = self.judged(identity(who), "P1")
        operations.post_purchase(purchase=early)
        operations.post_purchase(purchase=self.judged(of, "P2"))
        members.freeze(member_id=who.pk, by=staff(), reason="x")
        frozen = identity(who)

        outcomes = operations.post_purchases(
            purchases=[
                self.judged(frozen, "P3"),
                self.judged(of, "P2", 11),
                self.judged(of, "P2"),
                self.judged(of, "P4", 10**12 + 1),
                self.judged(frozen, "P1"),
                self.judged(frozen, "P2", 12),
                self.judged(of, "P5"),
            ]
        )

        assert [type(outcome).__name__ for outcome in outcomes] == [
            "MemberFrozen",
            "ReferenceReused",
            "PostedActivity",
            "PointsOutOfRange",
            "PostedActivity",
            "ReferenceReused",
            "PostedActivity",
        ]
        assert [o.replayed for o in outcomes if isinstance(o, operations.PostedActivity)] == [
            True,
            True,
            False,
        ]
        assert queries.balance(of.id) == 20
        assert Activity.objects.count() == 3

    def test_a_document_twice_in_one_batch_is_posted_once(self):
        of = identity()

        first, again, other = operations.post_purchases(
            purchases=[self.judged(of, "P1"), self.judged(of, "P1"), self.judged(of, "P1", 11)]
        )

        assert again == replace(first, posting=replace(first.posting, replayed=True), replayed=True)
        assert isinstance(other, operations.ReferenceReused)
        assert queries.balance(of.id) == 10

    def test_nothing_posts_nothing(self):
        assert operations.post_purchases(purchases=[]) == []


@pytest.mark.django_db(transaction=True)
class TestStatements:
    """As a till sends them: outside a transaction, one round trip each."""

    def test_each_posting_is_one(self, django_assert_num_queries):
        of, origin = identity(), source()
        plain()
        buy(of, "10.00")

        with django_assert_num_queries(1):
            operations.earn(
                member=of, points=5, at=NOON, expires_on=LONG, reference="E", source=origin
            )
        with django_assert_num_queries(1):
            operations.redeem(member=of, points=3, at=NOON, reference="R", source=origin)
        judged = TestPostPurchases().judged(of, "P")
        with django_assert_num_queries(1):
            operations.post_purchase(purchase=judged)
        assert queries.balance(of.id) == 1 + 5 - 3 + 10

    def test_a_repeat_is_two_and_a_repeated_purchase_three(self, django_assert_num_queries):
        of, origin = identity(), source()
        judged = TestPostPurchases().judged(of, "P")
        operations.post_purchase(purchase=judged)
        redeem(of, 3, source=origin)

        with django_assert_num_queries(2):
            redeem(of, 3, source=origin)
        with django_assert_num_queries(3):
            operations.post_purchase(purchase=judged)
