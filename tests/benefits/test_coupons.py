"""Coupons are drafted, approved, issued, claimed, used once, and undone in time."""

from datetime import date, timedelta
from decimal import Decimal
from unittest.mock import ANY

import pytest
from django.db import DatabaseError, transaction

from benefits.coupons import codes
from benefits.coupons.discounts import BelowMinimum, NotStackable
from benefits.models.coupons import Coupon, CouponBatch, CouponFile, CouponRun, CouponStep
from benefits.nightly.coupons import lapse_coupons, remind_of_coupons
from benefits.operations import Who, coupons
from benefits.operations.coupons import _guessing
from benefits.queries import coupons as queries
from common import approvals, limits, personal
from common.limits import TooMany
from common.models import AuditRecord
from members import operations as members
from members.models import TagSource
from messaging.models import Message
from points import operations as points
from tests.benefits.coupon_plan import (
    FIRST,
    LAST,
    NOW,
    at,
    bill,
    drafted,
    generated,
    issued,
    running,
)
from tests.factories import brand, dealer, identity, source, staff, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return identity()


@pytest.fixture
def here():
    return Who(store_id=store().pk)


def consume(coupon, who, *, receipt="R1", lines=(100,), when=NOW, **more):
    code = coupon if isinstance(coupon, str) else coupon.code
    return coupons.consume(
        code=code, at=when, who=who, receipt=receipt, lines=bill(*lines) if lines else None, **more
    )


def verify(code, who, *, lines=(100,), when=NOW, **more):
    return coupons.verify(
        code=code, at=when, who=who, lines=bill(*lines) if lines else None, **more
    )


def steps(coupon):
    return list(
        CouponStep.objects.filter(coupon=coupon).order_by("nth").values_list("kind", flat=True)
    )


class TestBatches:
    def test_run_when_a_second_person_agrees(self):
        batch = drafted()
        request = coupons.ask_to_run(batch_id=batch.pk, reason="July", at=NOW, by=batch.created_by)

        with pytest.raises(approvals.OwnRequest):
            approvals.approve(approval_id=request.pk, by=batch.created_by, at=NOW)
        approvals.approve(approval_id=request.pk, by=staff(), at=NOW)

        batch.refresh_from_db()
        assert (batch.state, batch.approval) == ("RUNNING", request)
        assert AuditRecord.objects.filter(action="coupon_batch.started").count() == 1

    def test_what_changed_meanwhile_is_asked_for_again(self):
        batch = drafted()
        request = coupons.ask_to_run(batch_id=batch.pk, reason="July", at=NOW, by=batch.created_by)
        CouponBatch.objects.filter(pk=batch.pk).update(amount=Decimal(300))

        with pytest.raises(coupons.DraftChanged):
            approvals.approve(approval_id=request.pk, by=staff(), at=NOW)

        batch.refresh_from_db()
        assert batch.state == "DRAFT"

    @pytest.mark.parametrize(
        "change",
        [{"amount": 31}, {"last_on": date(2026, 8, 1)}, {"total": 1000}, {"state": "DRAFT"}],
    )
    def test_what_was_approved_does_not_change(self, change):
        batch = running()

        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            CouponBatch.objects.filter(pk=batch.pk).update(**change)

    def test_nor_do_its_stores(self):
        batch = running()

        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            batch.stores.add(store())

    @pytest.mark.parametrize(
        "nonsense",
        [
            {"kind": "PERCENT"},
            {"kind": "PERCENT", "pays": Decimal(100)},
            {"amount": Decimal(0)},
            {"kind": "ITEM"},
            {"first_on": date(2026, 8, 1)},
            {"total": 0},
            {"codes_from": "GENERATED", "claim_word": "SUMMER"},
            {"funding": ({"payer": "brand", "share": "60"},)},
        ],
    )
    def test_nonsense_is_refused(self, nonsense):
        with pytest.raises(coupons.InvalidBatch):
            drafted(**nonsense)

        assert not CouponBatch.objects.exists()

    def test_an_ended_batch_gives_no_more_and_what_it_gave_stays_good(self, of, here):
        batch = running()
        coupon = issued(batch, of)

        coupons.end(batch_id=batch.pk, by=staff())

        with pytest.raises(coupons.BatchNotRunning):
            issued(batch, identity())
        assert consume(coupon, here).discount == Decimal(30)

    def test_a_revoked_batch_is_good_for_nothing_at_once(self, of, here):
        batch = running()
        coupon = issued(batch, of)

        coupons.revoke_batch(batch_id=batch.pk, reason="Misprint", by=staff())

        with pytest.raises(coupons.CouponRevoked):
            verify(coupon.code, here)
        with pytest.raises(coupons.CouponRevoked):
            consume(coupon, here)


class TestCodes:
    def test_are_generated_piece_by_piece_and_taken_away_once(self, monkeypatch):
        monkeypatch.setattr("benefits.operations.coupons._making.PIECE", 2)
        batch = running(codes_from="GENERATED", total=5)
        with pytest.raises(coupons.NotGenerated):
            coupons.take_codes(batch_id=batch.pk, at=NOW, by=staff())

        assert coupons.work(clock=lambda: NOW) == 3
        found = coupons.take_codes(batch_id=batch.pk, at=NOW, by=staff())

        assert len(set(found)) == 5
        assert all(codes.is_ours(code) for code in found)
        assert Coupon.objects.filter(batch=batch).count() == 5
        assert not CouponFile.objects.exists()
        assert AuditRecord.objects.get(action="coupon_batch.exported").details["codes"] == 5
        with pytest.raises(coupons.AlreadyTaken):
            coupons.take_codes(batch_id=batch.pk, at=NOW, by=staff())

    def test_work_done_is_not_done_again(self):
        batch = running(codes_from="GENERATED", total=5)

        assert coupons.work(clock=lambda: NOW) == 1
        assert coupons.work(clock=lambda: NOW) == 0
        assert CouponRun.objects.get(batch=batch).done == 5

    def test_no_row_of_the_database_holds_a_code(self):
        _batch, [code, *_rest] = generated()

        rows = Coupon.objects.values("code", "digest", "reference")

        assert {row["code"] for row in rows} == {""}
        assert not any(code.encode() in bytes(row["digest"]) for row in rows)

    def test_of_members_are_sealed_for_their_eyes(self, of):
        coupon = issued(running(), of)

        with transaction.get_connection().cursor() as cursor:
            cursor.execute("SELECT code FROM benefits_coupon WHERE id = %s", [coupon.pk])
            [stored] = cursor.fetchone()
        assert coupon.code not in stored
        assert Coupon.objects.get(pk=coupon.pk).code == coupon.code

    def test_a_partners_file_is_loaded_and_its_dirt_told(self, tmp_path):
        batch = running(codes_from="POOL", total=10)
        path = tmp_path / "pool.csv"
        path.write_text("券码,x\nKFC-1,\nkfc-1,\n,y\nTWO WORDS,\n" + "x" * 65 + ",\nKFC-2,\n")

        loaded = coupons.load_pool(batch_id=batch.pk, path=path, at=NOW, by=staff())
        again = coupons.load_pool(batch_id=batch.pk, path=path, at=NOW, by=staff())

        assert loaded.count == 2
        assert [(row, why.code) for row, why in loaded.refused] == [
            (3, "code_twice"), (4, "code_missing"), (5, "code_too_long"), (6, "code_too_long"),
        ]  # fmt: skip
        assert again.count == 0
        assert [why.code for row, why in again.refused if row in (2, 7)] == ["code_known"] * 2
        batch.refresh_from_db()
        assert batch.issued == 2

    def test_a_file_larger_than_the_batch_is_refused(self, tmp_path):
        batch = running(codes_from="POOL", total=1)
        path = tmp_path / "pool.csv"
        path.write_text("code\nA-1\nA-2\n")

        with pytest.raises(coupons.PoolTooLarge):
            coupons.load_pool(batch_id=batch.pk, path=path, at=NOW, by=staff())

        assert not Coupon.objects.exists()


class TestIssuing:
    def test_gives_a_coupon_and_tells_of_it(self, of):
        batch = running(good_days=7)

        coupon = issued(batch, of)

        assert (coupon.first_on, coupon.last_on) == (date(2026, 7, 5), date(2026, 7, 11))
        assert steps(coupon) == ["ISSUED"]
        assert Message.objects.get(member_id=of.id).template == "benefits.coupon_issued"

    def test_for_the_same_is_the_same(self, of):
        batch = running()

        assert issued(batch, of, reference="order:1") == issued(batch, of, reference="order:1")
        with pytest.raises(coupons.ReferenceOfAnother):
            issued(batch, identity(), reference="order:1")
        batch.refresh_from_db()
        assert batch.issued == 1

    def test_the_batchs_last_day_is_the_last(self, of):
        assert issued(running(good_days=90), of).last_on == LAST

    def test_as_many_as_a_member_may_have(self, of):
        batch = running(per_member=2)
        issued(batch, of)
        issued(batch, of)

        with pytest.raises(coupons.MemberLimitReached):
            issued(batch, of)

        assert Coupon.objects.count() == 2

    def test_as_many_as_there_are(self, of):
        batch = running(total=1)
        issued(batch, of)

        with pytest.raises(coupons.BatchExhausted):
            issued(batch, identity())

    def test_of_a_pool_the_next_code(self, of, tmp_path):
        batch = running(codes_from="POOL", total=10)
        path = tmp_path / "pool.csv"
        path.write_text("code\nKFC-1\nKFC-2\n")
        coupons.load_pool(batch_id=batch.pk, path=path, at=NOW, by=staff())

        assert [issued(batch, identity()).code for _ in range(2)] == ["KFC-1", "KFC-2"]
        with pytest.raises(coupons.BatchExhausted):
            issued(batch, of)

    def test_to_everybody_with_a_tag_within_the_limits(self, monkeypatch):
        monkeypatch.setattr("benefits.operations.coupons._issuing.PIECE", 2)
        batch = running(per_member=1, total=4)
        people = [identity() for _ in range(5)]
        with transaction.atomic():
            members.tag_many(
                names={each.id: ["VIP"] for each in people}, source=TagSource.IMPORT, at=NOW
            )
        issued(batch, people[0])

        run = coupons.issue_to_tag(batch_id=batch.pk, tag="VIP", at=NOW, by=staff())
        coupons.work(clock=lambda: NOW)

        run.refresh_from_db()
        assert (run.wanted, run.done, run.skipped) == (5, 3, 1 + 1)
        had = Coupon.objects.values_list("member_id", flat=True)
        assert sorted(had) == [each.id for each in people[:4]]
        assert Message.objects.filter(template="benefits.coupon_issued").count() == 4
        assert coupons.work(clock=lambda: NOW) == 0


class TestClaiming:
    def test_by_its_code_makes_it_ones_own(self, of):
        _batch, [code, *_rest] = generated(good_days=3)

        coupon = coupons.claim(typed=codes.shown(code).lower(), member=of, at=NOW)

        assert (coupon.member_id, coupon.code) == (of.id, code)
        assert (coupon.first_on, coupon.last_on) == (date(2026, 7, 5), date(2026, 7, 7))
        assert coupons.claim(typed=code, member=of, at=NOW) == coupon
        assert steps(coupon) == ["CLAIMED"]
        with pytest.raises(coupons.AlreadyClaimed):
            coupons.claim(typed=code, member=identity(), at=NOW)

    def test_by_a_word_as_often_as_one_may(self, of):
        batch = running(claim_word="summer", total=2)

        coupon = coupons.claim(typed=" Summer ", member=of, at=NOW)

        assert coupon.batch == batch
        with pytest.raises(coupons.MemberLimitReached):
            coupons.claim(typed="SUMMER", member=of, at=NOW)
        coupons.claim(typed="SUMMER", member=identity(), at=NOW)
        with pytest.raises(coupons.BatchExhausted):
            coupons.claim(typed="SUMMER", member=identity(), at=NOW)

    def test_ten_wrong_codes_are_too_many(self, of):
        _batch, [code, *_rest] = generated()
        for _ in range(10):
            with pytest.raises(coupons.UnknownCoupon):
                coupons.claim(typed="NOT-A-CODE", member=of, at=NOW)

        with pytest.raises(TooMany):
            coupons.claim(typed=code, member=of, at=NOW)
        coupons.claim(typed=code, member=identity(), at=NOW)


class TestUsing:
    def test_uses_it_up(self, of, here):
        coupon = issued(running(), of)

        taken = consume(coupon, here, lines=(20, 80))

        assert (taken.discount, taken.is_repeat) == (Decimal(30), False)
        coupon.refresh_from_db()
        assert (coupon.state, coupon.receipt, coupon.used_at) == ("USED", "R1", NOW)
        assert steps(coupon) == ["ISSUED", "USED"]

    def test_again_on_the_same_receipt_is_the_first_answer(self, of, here):
        coupon = issued(running(), of)
        consume(coupon, here)

        again = consume(coupon, here, lines=(10,))

        assert (again.discount, again.is_repeat) == (Decimal(30), True)
        assert steps(coupon) == ["ISSUED", "USED"]

    def test_a_second_time_is_refused_and_who_may_know_learns_where(self, of, here):
        coupon = issued(running(), of)
        consume(coupon, here)
        other = Who(store_id=store().pk)

        with pytest.raises(coupons.CouponUsed) as told:
            consume(coupon, here, receipt="R2")
        with pytest.raises(coupons.CouponUsed) as untold:
            consume(coupon, other, receipt="R2")

        assert told.value.details["receipt"] == "R1"
        assert untold.value.details == {}
        assert told.value.code == untold.value.code == "coupon_used"
        assert steps(coupon) == ["ISSUED", "USED"]

    def test_a_token_is_as_good_as_the_code(self, of, here):
        coupon = issued(running(), of)

        assert consume(queries.token_of(coupon), here).coupon == coupon

    @pytest.mark.parametrize(
        ("when", "refusal"),
        [
            # The programme lives in Shanghai, eight hours ahead.
            ("2026-06-30T15:59:59", coupons.CouponNotYet),
            ("2026-06-30T16:00:00", None),
            ("2026-07-31T15:59:59", None),
            ("2026-07-31T16:00:00", coupons.CouponExpired),
        ],
    )
    def test_both_ends_of_its_days_are_good_in_the_programmes_zone(self, here, when, refusal):
        _batch, [code, *_rest] = generated()

        if refusal:
            with pytest.raises(refusal):
                consume(code, here, when=at(when))
        else:
            assert consume(code, here, when=at(when)).discount == Decimal(30)

    def test_only_at_its_stores(self, of):
        ours, network = store(), dealer()
        batch = running(stores=(ours.pk,), organizations=(network.pk,))
        coupon = issued(batch, of)

        with pytest.raises(coupons.WrongStore):
            consume(coupon, Who(store_id=store().pk))
        verify(coupon.code, Who(store_id=ours.pk))
        consume(coupon, Who(store_id=store(network).pk))

    def test_below_the_minimum(self, of, here):
        coupon = issued(running(minimum_spend=Decimal(200)), of)

        with pytest.raises(BelowMinimum) as refused:
            consume(coupon, here, lines=("199.99",))

        assert refused.value.details == {"minimum": Decimal(200), "spend": Decimal("199.99")}

    def test_only_of_its_categories(self, of, here):
        coupon = issued(running(categories=("parts",)), of)

        with pytest.raises(coupons.NothingQualifies):
            consume(coupon, here)
        taken = coupons.consume(
            code=coupon.code, at=NOW, who=here, receipt="R1",
            lines=[*bill(20, category="parts"), *bill(80)],
        )  # fmt: skip
        assert taken.discount == Decimal(20)

    def test_needs_to_know_what_is_bought_unless_something_is_free(self, of, here):
        gift = running(kind="ITEM", item={"zh-hans": "机油", "en": "Oil"})

        with pytest.raises(coupons.BillNeeded):
            consume(issued(running(), of), here, lines=None)
        assert consume(issued(gift, of), here, lines=None).discount is None

    def test_those_of_a_receipt_count_one_after_the_other(self, of, here):
        first = issued(running(kind="PERCENT", pays=Decimal(50)), of)
        second = issued(running(kind="PERCENT", pays=Decimal(50)), of)
        consume(first, here)

        assert consume(second, here).discount == Decimal(25)

    def test_one_that_goes_alone(self, of, here):
        alone, other = issued(running(stacking="EXCLUSIVE"), of), issued(running(), of)
        consume(other, here)

        with pytest.raises(NotStackable):
            consume(alone, here)
        consume(alone, here, receipt="R2")

    def test_another_members(self, of, here):
        coupon = issued(running(), of)

        with pytest.raises(coupons.AnotherMembersCoupon):
            consume(coupon, here, member=identity())
        consume(coupon, here, member=of)

    def test_a_printed_one_counts_for_the_member_it_is_used_for(self, of, here):
        _batch, [one, other, _third] = generated(per_member=1)

        with pytest.raises(coupons.MemberNeeded):
            consume(one, here)
        consume(one, here, member=of)
        with pytest.raises(coupons.MemberLimitReached):
            consume(other, here, member=of, receipt="R2")
        consume(other, here, member=identity(), receipt="R2")

    def test_verifying_changes_nothing(self, of, here):
        coupon = issued(running(), of)

        assert verify(coupon.code, here, member=of).discount == Decimal(30)

        coupon.refresh_from_db()
        assert (coupon.state, steps(coupon)) == ("OPEN", ["ISSUED"])

    def test_verifying_for_a_receipt_asks_twice(self, of, here, django_assert_num_queries):
        code = issued(running(), of).code
        verify(code, here)

        with django_assert_num_queries(2):
            verify(code, here, receipt="R1")

    def test_verifying_asks_once(self, of, here, django_assert_num_queries):
        code = issued(running(), of).code
        verify(code, here)

        with django_assert_num_queries(1):
            verify(code, here)

    def test_using_one_takes_five_statements(self, of, here, django_assert_num_queries):
        batch = running()
        consume(issued(batch, of), here, receipt="R0")
        coupon = issued(batch, of)

        # Besides those five, a savepoint and its end: it is found and held, its receipt is held,
        # the receipt's other coupons are read, and it is written with its step.
        with django_assert_num_queries(7):
            consume(coupon.code, here)

    def test_a_code_nobody_made_does_not_exist(self, here):
        with pytest.raises(coupons.UnknownCoupon):
            verify("NOTHING", here)


class TestGuessing:
    def test_a_process_that_saw_room_does_not_look_again_for_a_moment(self, of, here, monkeypatch):
        code = issued(running(), of).code
        verify(code, here)
        looks = []
        monkeypatch.setattr(limits, "require_left", looks.append)

        verify(code, here)
        assert not looks

        with pytest.raises(coupons.UnknownCoupon):
            verify("0000-0000-0000-0000", here)
        verify(code, here)
        assert len(looks) == 1

    def test_what_others_counted_is_seen_a_moment_later(self, of, here, monkeypatch):
        monkeypatch.setattr(_guessing, "TRUST_SECONDS", 0.0)
        code = issued(running(), of).code
        verify(code, here)
        for _ in range(30):
            limits.note([f"wrong-coupons:store:{here.store_id}"], seconds=600)

        with pytest.raises(TooMany):
            verify(code, here)

    def test_thirty_wrong_codes_of_a_store_are_too_many(self, of, here):
        coupon = issued(running(), of)
        for _ in range(30):
            with pytest.raises(coupons.UnknownCoupon):
                verify("0000-0000-0000-0000", here)

        with pytest.raises(TooMany):
            verify(coupon.code, here)
        with pytest.raises(TooMany):
            consume(coupon, here)
        verify(coupon.code, Who(store_id=store().pk))

    def test_right_codes_are_not_counted(self, of, here):
        coupon = issued(running(), of)

        for _ in range(40):
            verify(coupon.code, here)


class TestReserving:
    def test_keeps_it_for_a_receipt(self, of, here):
        coupon = issued(running(), of)
        other = Who(store_id=store().pk)

        coupons.reserve(code=coupon.code, at=NOW, who=here, receipt="R1", lines=bill(100))

        with pytest.raises(coupons.CouponReserved):
            consume(coupon, other)
        with pytest.raises(coupons.CouponReserved):
            consume(coupon, here, receipt="R2")
        assert consume(coupon, here).discount == Decimal(30)
        assert steps(coupon) == ["ISSUED", "RESERVED", "USED"]

    def test_is_over_after_its_time(self, of, here):
        coupon = issued(running(), of)
        coupons.reserve(code=coupon.code, at=NOW, who=here, receipt="R1")

        later = NOW + coupons.RESERVED_FOR
        consume(coupon, Who(store_id=store().pk), when=later)

    def test_is_released_by_who_reserved_it(self, of, here):
        coupon = issued(running(), of)
        other = Who(store_id=store().pk)
        coupons.reserve(code=coupon.code, at=NOW, who=here, receipt="R1")

        coupons.release(code=coupon.code, at=NOW, who=other, receipt="R1")
        with pytest.raises(coupons.CouponReserved):
            consume(coupon, other)
        coupons.release(code=coupon.code, at=NOW, who=here, receipt="R1")
        consume(coupon, other)


class TestUndoing:
    def test_makes_it_good_again(self, of, here):
        coupon = issued(running(), of)
        consume(coupon, here)

        coupons.undo(code=coupon.code, at=NOW + timedelta(minutes=15), who=here)

        coupon.refresh_from_db()
        assert (coupon.state, coupon.receipt, coupon.discount) == ("OPEN", "", None)
        assert consume(coupon, here, receipt="R2").discount == Decimal(30)
        assert steps(coupon) == ["ISSUED", "USED", "UNDONE", "USED"]

    def test_not_too_late_nor_by_another_store(self, of, here):
        coupon = issued(running(), of)
        consume(coupon, here)
        later = NOW + timedelta(minutes=16)

        with pytest.raises(coupons.NotUsed):
            coupons.undo(coupon_id=coupon.pk, at=NOW, who=Who(store_id=store().pk))
        with pytest.raises(coupons.TooLateToUndoCoupon):
            coupons.undo(coupon_id=coupon.pk, at=later, who=here)
        coupons.undo(coupon_id=coupon.pk, at=later, who=Who(by=staff()), by_office=True)
        with pytest.raises(coupons.NotUsed):
            coupons.undo(coupon_id=coupon.pk, at=NOW, who=here)


class TestOffline:
    def report(self, coupon, who, *, receipt="R9", used_at=NOW, discount=Decimal(30)):
        return coupons.report_offline(
            token=queries.token_of(coupon), used_at=used_at, discount=discount, receipt=receipt,
            who=who, at=NOW + timedelta(days=2),
        )  # fmt: skip

    def test_a_use_told_later_counts(self, of, here):
        coupon = issued(running(), of)

        reported = self.report(coupon, here)

        assert reported.conflict is None
        coupon.refresh_from_db()
        assert (coupon.state, coupon.used_at, coupon.discount) == ("USED", NOW, Decimal(30))
        assert CouponStep.objects.get(coupon=coupon, kind="USED").is_offline
        assert self.report(coupon, here).is_repeat
        assert steps(coupon) == ["ISSUED", "USED"]

    def test_the_second_use_is_found_and_borne_by_who_made_it(self, of, here):
        coupon = issued(running(), of)
        consume(coupon, here)
        other = store()

        reported = self.report(coupon, Who(store_id=other.pk))
        again = self.report(coupon, Who(store_id=other.pk))

        conflict = reported.conflict
        assert (conflict.why, conflict.cost, conflict.bearer) == (
            "coupon_used", Decimal(30), other.organization,
        )  # fmt: skip
        assert conflict.first.store_id == here.store_id
        assert (again.conflict, again.is_repeat) == (conflict, True)
        assert [each.pk for each in queries.conflicts()] == [conflict.pk]
        coupon.refresh_from_db()
        assert coupon.store_id == here.store_id

    def test_what_lapsed_meanwhile_was_good_when_it_was_taken(self, of, here):
        coupon = issued(running(), of)
        lapse_coupons(day=LAST + timedelta(days=1))

        assert self.report(coupon, here).conflict is None

    @pytest.mark.parametrize("day", [FIRST - timedelta(days=9), date(2026, 6, 30)])
    def test_before_its_first_day_is_a_conflict(self, of, here, day):
        coupon = issued(running(), of)

        reported = self.report(coupon, here, used_at=NOW - timedelta(days=30))

        assert reported.conflict.why == "coupon_not_yet"

    def test_what_we_did_not_sign_was_never_ours(self, here):
        with pytest.raises(coupons.UnknownCoupon):
            coupons.report_offline(
                token="CP1" + "A" * 128, used_at=NOW, discount=None, receipt="R1", who=here, at=NOW
            )


class TestTheNight:
    def test_lets_lapse_what_is_over_and_is_repeatable(self, of, here):
        _batch, [code, *_rest] = generated(total=3)
        consume(code, here)

        assert lapse_coupons(day=LAST)["coupons"] == 0
        assert lapse_coupons(day=LAST + timedelta(days=1))["coupons"] == 2
        assert lapse_coupons(day=LAST + timedelta(days=1))["coupons"] == 0
        assert sorted(Coupon.objects.values_list("state", flat=True)) == ["LAPSED"] * 2 + ["USED"]

    def test_reminds_once_so_many_days_before(self, of, here):
        batch = running(remind_days=3)
        issued(batch, of)
        consume(issued(batch, of), here)
        day = LAST - timedelta(days=3)

        assert remind_of_coupons(day=day - timedelta(days=1))["messages"] == 0
        assert remind_of_coupons(day=day)["messages"] == 1
        remind_of_coupons(day=day)

        told = Message.objects.filter(template="benefits.coupon_lapsing")
        assert [each.variables["last_day"] for each in told] == [LAST.isoformat()]


class TestThePerson:
    def test_is_handed_what_they_had(self, of, here):
        consume(issued(running(), of), here)

        [section] = [each for each in personal.sections() if each.name == "benefits.coupons"]
        [told] = section.tell(of.id)

        assert told == {
            "coupon": ANY, "state": ANY, "issued_on": date(2026, 7, 5),
            "first_on": date(2026, 7, 5), "last_on": LAST, "used_at": NOW, "store": ANY,
            "taken_off": Decimal(30),
        }  # fmt: skip

    def test_takes_open_coupons_along_when_leaving(self, of, here):
        batch = running()
        used, open_one = issued(batch, of), issued(batch, of)
        consume(used, here)

        coupons.revoke_all(member_id=of.id, at=NOW)
        coupons.revoke_all(member_id=of.id, at=NOW)

        states = dict(Coupon.objects.values_list("pk", "state"))
        assert states == {used.pk: "USED", open_one.pk: "REVOKED"}

    def test_has_those_of_who_turned_out_to_be_the_same(self, of, here):
        batch, other = running(), identity()
        theirs, own = issued(batch, other), issued(batch, of)
        points.merge_accounts(
            member=other, into=of, at=NOW, source=source(), by=staff(),
            note="one person",
        )  # fmt: skip

        consume(queries.token_of(theirs), here, member=of)

        assert {each.pk for each in queries.of_member(of.id)} == {theirs.pk, own.pk}
        theirs.refresh_from_db()
        assert theirs.state == "USED"

    def test_leaves_no_code_behind(self, of):
        coupon = issued(running(), of)

        personal.erase([of.id])

        coupon.refresh_from_db()
        assert coupon.code == ""
        assert personal.left([of.id]) == {}


def test_figures_of_a_batch(of, here):
    batch, [one, *_rest] = generated(total=4)
    consume(one, here)
    batch.refresh_from_db()

    found = queries.figures([batch])[batch.pk]

    assert (found.issued, found.used, found.open, found.given) == (4, 1, 3, 0)
    assert (found.taken_off, found.cost) == (Decimal(30), Decimal(30))


class TestWhoPays:
    def test_is_told_by_month_batch_and_payer(self, of):
        network = dealer(code="network")
        there = Who(store_id=store(network).pk)
        brand()
        shared = running(
            funding=({"payer": "brand", "share": "66.67"}, {"payer": "store", "share": "33.33"}),
            total=10,
        )
        ours = running(cost=Decimal("1.50"))
        for nth in range(2):
            consume(issued(shared, of), there, receipt=f"R{nth}")
        consume(issued(ours, of), there, receipt="R3")
        undone = issued(ours, of)
        consume(undone, there, receipt="R4")
        coupons.undo(coupon_id=undone.pk, at=NOW, who=there)

        told = [
            (each.batch, each.payer, each.uses, each.cost) for each in queries.borne(FIRST, LAST)
        ]

        assert told == [
            (shared.code, brand().code, 2, Decimal("40.00")),
            (shared.code, "network", 2, Decimal("20.00")),
            (ours.code, brand().code, 1, Decimal("1.50")),
        ]
        assert queries.borne(date(2026, 8, 1), date(2026, 8, 31)) == []

    @pytest.mark.parametrize(("when", "month"), [("2026-07-31T15:59", 7), ("2026-06-30T16:00", 7)])
    def test_months_are_ours(self, of, here, when, month):
        brand()
        batch = running(first_on=date(2026, 6, 1))
        consume(issued(batch, of, at=at(when)), here, when=at(when))

        told = queries.borne(date(2026, 6, 1), date(2026, 7, 31))
        assert [(each.month.month, each.uses) for each in told] == [(month, 1)]
