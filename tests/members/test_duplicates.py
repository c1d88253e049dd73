"""Two members who may be one person: found at night, judged once (M10)."""

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from common.models import AuditRecord
from members import duplicates, nightly, operations
from members.models import Duplicate, DuplicateReason, Fingerprint, Member
from tests.factories import member, staff
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 15)
ID = "110101199003070000"


def night():
    nightly.take_fingerprints(day=TODAY)
    return nightly.find_duplicates(day=TODAY)


def pairs():
    return {(each.one_id, each.other_id): each.reasons for each in duplicates.waiting()}


def correct(of, **changes):
    operations.update_profile(member_id=of.pk, changes=changes, at=NOON, by=staff(), reason="更正")


def own(of, identifier, **facts):
    return operations.add_product(
        member_id=of.pk,
        product=operations.ProductFacts(identifier=identifier, **facts),
        bound_at=NOON,
    )


class TestFound:
    def test_by_id_number_and_e_mail_however_they_are_typed(self):
        one, two = member(id_number="11010119900307000x"), member(id_number="11010119900307000Ｘ")
        three, four = member(email="Wang@Example.com"), member(email="wang@example.com ")
        member(id_number=ID, email="li@example.com")

        assert night() == {"found": 2, "too_common": 0}
        assert pairs() == {
            (one.pk, two.pk): [DuplicateReason.ID_NUMBER],
            (three.pk, four.pk): [DuplicateReason.EMAIL],
        }

    def test_by_name_birthday_and_last_digits_together(self):
        facts = {"name": "王小明", "birthday": date(1990, 3, 7), "phone": "+8613800001234"}
        one = member(**facts)
        two = member(**facts | {"phone": "+8613900001234", "name": "王 小明"})
        for other in (
            {"phone": "+8613900001235"},
            {"phone": "+8613700001234", "birthday": date(1990, 3, 8)},
            {"phone": "+8613600001234", "name": "王大明"},
            {"phone": "+8613500001234", "birthday": None},
        ):
            member(**facts | other)

        night()

        assert pairs() == {(one.pk, two.pk): [DuplicateReason.PERSON]}

    def test_by_a_product_both_have_owned_under_one_name(self):
        one, two, buyer = member(name="王小明"), member(name="王小明"), member(name="李雷")
        sold = own(one, "LFV-1")
        for of in (buyer, two):
            operations.end_ownership(
                product_id=sold.pk, member_id=sold.member_id, on=TODAY, at=NOON,
                by=staff(), reason="卖出",
            )  # fmt: skip
            sold = own(of, "LFV-1")

        night()

        assert pairs() == {(one.pk, two.pk): [DuplicateReason.PRODUCT]}

    def test_twice_is_as_once_and_more_reasons_stand_with_the_same_pair(self):
        one, two = member(id_number=ID), member(id_number=ID)
        assert night() == {"found": 1, "too_common": 0}
        assert night() == {"found": 0, "too_common": 0}

        for of in (one, two):
            correct(of, email="wang@example.com")

        assert night() == {"found": 1, "too_common": 0}
        assert pairs() == {(one.pk, two.pk): ["ID_NUMBER", "EMAIL"]}
        assert Duplicate.objects.count() == 1

    def test_three_who_are_one_are_three_pairs(self):
        one, two, three = (member(id_number=ID) for _ in range(3))

        night()

        assert set(pairs()) == {
            (one.pk, two.pk), (one.pk, three.pk), (two.pk, three.pk)
        }  # fmt: skip

    def test_what_too_many_share_says_nothing_of_them(self):
        for _ in range(11):
            member(email="shop@example.com")

        assert night() == {"found": 0, "too_common": 1}
        assert pairs() == {}

    def test_nobody_is_recognized_by_what_is_not_known(self):
        for _ in range(3):
            member(name="", phone="", email="", id_number="")

        assert night() == {"found": 0, "too_common": 0}

    def test_a_profile_that_changes_is_looked_at_anew(self):
        one, two = member(email="a@example.com"), member(email="b@example.com")
        night()
        assert pairs() == {}

        correct(two, email="a@example.com")

        assert not Fingerprint.objects.filter(pk=two.pk).exists()
        night()
        assert set(pairs()) == {(one.pk, two.pk)}

    def test_who_has_left_is_nobody_s_double(self):
        one, two = member(id_number=ID), member(id_number=ID)
        night()

        operations.close(member_id=two.pk, closed_at=NOON, by=staff(), reason="退会")

        assert pairs() == {}
        third = member(id_number=ID)
        night()
        assert set(pairs()) == {(one.pk, third.pk)}

    def test_nothing_that_can_be_read_is_kept(self):
        of = member(id_number=ID, email="wang@example.com", birthday=date(1990, 3, 7))
        night()

        taken = Fingerprint.objects.get(pk=of.pk)
        for value in (taken.id_number, taken.email, taken.person):
            assert len(bytes(value)) == 32
        assert len({bytes(taken.id_number), bytes(taken.email), bytes(taken.person)}) == 3


class TestJudged:
    def test_two_people_do_not_come_back(self):
        one, two, by = member(id_number=ID), member(id_number=ID), staff()
        night()
        (pair,) = duplicates.waiting()

        operations.judge_not_same(duplicate_id=pair.pk, at=NOON, by=by, reason="双胞胎")

        assert pairs() == {}
        for of in (one, two):
            correct(of, email="twins@example.com")
        night()
        assert pairs() == {}
        record = AuditRecord.objects.get(action="duplicate.judged")
        assert (record.target, record.actor, record.reason) == (one.number, by, "双胞胎")
        assert record.details == {"other": two.number, "same": False}

    def test_once(self):
        member(id_number=ID), member(id_number=ID)
        night()
        (pair,) = duplicates.waiting()
        by = staff()
        operations.judge_not_same(duplicate_id=pair.pk, at=NOON, by=by, reason="双胞胎")

        with pytest.raises(operations.DuplicateJudged):
            operations.judge_not_same(duplicate_id=pair.pk, at=NOON, by=by, reason="又")
        with pytest.raises(operations.UnknownDuplicate):
            operations.judge_not_same(duplicate_id=0, at=NOON, by=by, reason="无")
        assert AuditRecord.objects.filter(action="duplicate.judged").count() == 1

    def test_the_database_refuses_nonsense(self):
        member(id_number=ID), member(id_number=ID)
        night()
        pair = Duplicate.objects.get()

        for change in ({"state": "NOT_SAME"}, {"one": pair.other_id, "other": pair.one_id}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Duplicate.objects.filter(pk=pair.pk).update(**change)
        assert Member.objects.count() == 2
