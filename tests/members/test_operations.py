"""What can be done with a membership."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction

from common.models import AuditRecord, OutboxEvent, User
from members import operations, phones, products
from members.models import ExternalNumber, Member, PhoneDirectory, Product
from members.numbers import is_member_number
from tests.factories import dealer, member, staff, store
from tests.factories.points import NOON

pytestmark = pytest.mark.django_db

VIN = "LSVAA49J132047371"


def enroll(*, active=True, joined_at=NOON, store=None, product=None, external=None, **profile):
    return operations.enroll(
        profile=operations.Profile(**{"name": "王小明", "phone": "13812345678"} | profile),
        joined_at=joined_at,
        active=active,
        store_id=store.pk if store else None,
        product=product,
        external=external,
    )


def nobody_was_enrolled():
    return not (
        Member.objects.exists()
        or PhoneDirectory.objects.exists()
        or ExternalNumber.objects.exists()
        or Product.objects.exists()
        or AuditRecord.objects.exists()
    )


class TestEnroll:
    def test_makes_an_active_member(self):
        shop = store()

        of = enroll(store=shop, sex="MALE", birthday=date(1990, 2, 28), city="上海")

        of.refresh_from_db()
        assert is_member_number(of.number)
        assert (of.status, of.joined_at, of.activated_at) == ("ACTIVE", NOON, NOON)
        assert (of.phone, of.city, of.enrolling_store_id) == ("+8613812345678", "上海", shop.pk)
        assert of.phone_entry
        record = AuditRecord.objects.get(action="member.enrolled")
        assert (record.target, record.details) == (
            of.number,
            {"status": "ACTIVE", "store": shop.pk},
        )

    def test_or_a_pre_registered_one(self):
        of = enroll(active=False)

        assert (of.status, of.activated_at) == ("PRE_REGISTERED", None)

    def test_numbers_are_never_given_twice(self):
        numbers = [enroll(phone="").number for _ in range(5)]

        assert len(set(numbers)) == 5

    def test_one_phone_one_member(self):
        enroll()

        with pytest.raises(operations.PhoneTaken):
            enroll(phone="+86 138-1234-5678")

        assert Member.objects.count() == PhoneDirectory.objects.count() == 1
        assert AuditRecord.objects.count() == 1

    def test_with_a_product(self):
        of = enroll(product=operations.ProductFacts(identifier=f" {VIN.lower()}", name="轿车"))

        product = of.products.get()
        assert (product.identifier, product.name, product.owned_until) == (VIN, "轿车", None)

    def test_one_product_one_owner(self):
        enroll(product=operations.ProductFacts(identifier=VIN))

        with pytest.raises(operations.ProductTaken):
            enroll(phone="", product=operations.ProductFacts(identifier=VIN))

        assert Member.objects.count() == 1

    def test_with_the_number_its_dealer_knows_it_by(self):
        organization = dealer()
        of = enroll(external=(organization.pk, "C-1"))

        with pytest.raises(operations.ExternalNumberTaken):
            enroll(phone="", external=(organization.pk, "C-1"))
        other = enroll(phone="", external=(dealer().pk, "C-1"))

        assert list(ExternalNumber.objects.order_by("pk").values_list("member", flat=True)) == [
            of.pk,
            other.pk,
        ]

    @pytest.mark.parametrize(
        ("refusal", "fields"),
        [
            (phones.InvalidPhone, {"phone": "123"}),
            (products.InvalidIdentifier, {"product": operations.ProductFacts(identifier="?")}),
            (operations.BirthdayOutOfRange, {"birthday": date(1899, 12, 31)}),
            (operations.BirthdayOutOfRange, {"birthday": date(2026, 6, 16)}),
            (operations.BirthdayOutOfRange, {"birthday": date.max}),
        ],
    )
    def test_refuses_what_makes_no_sense(self, refusal, fields):
        with pytest.raises(refusal), transaction.atomic():
            enroll(**fields)

        assert nobody_was_enrolled()

    def test_a_birthday_is_judged_in_the_programmes_zone(self):
        # 16 June in Shanghai, still 15 June in London.
        early = datetime(2026, 6, 16, 1, tzinfo=ZoneInfo("Asia/Shanghai"))

        assert enroll(joined_at=early.astimezone(UTC), birthday=date(2026, 6, 16)).pk

    @pytest.mark.parametrize("name", ["𠮷㑇", "👨‍👩‍👧‍👦", "欧阳·娜娜", "<b>", "=1+1", "名" * 100])
    def test_names_are_as_people_have_them(self, name):
        of = enroll(name=name)

        assert Member.objects.get(pk=of.pk).name == name


class TestLifeCycle:
    def test_pre_registered_to_active(self):
        of = enroll(active=False)

        operations.activate(member_id=of.pk, activated_at=NOON)

        of.refresh_from_db()
        assert (of.status, of.activated_at) == ("ACTIVE", NOON)

    def test_frozen_and_thawed_by_a_name_with_a_reason(self):
        of, by = member(), staff()

        operations.freeze(member_id=of.pk, by=by, reason="lost card")
        of.refresh_from_db()
        assert of.status == "FROZEN"
        operations.unfreeze(member_id=of.pk, by=by, reason="found")
        of.refresh_from_db()
        assert of.status == "ACTIVE"

        done = AuditRecord.objects.filter(actor=by).order_by("pk")
        assert list(done.values_list("action", "target", "reason")) == [
            ("member.frozen", of.number, "lost card"),
            ("member.unfrozen", of.number, "found"),
        ]

    def test_closed_it_frees_the_phone_and_tells_upward(self):
        of = enroll()
        user = operations.login_for(member_id=of.pk)

        operations.close(member_id=of.pk, closed_at=NOON, by=None, reason="moved")

        of.refresh_from_db()
        user.refresh_from_db()
        assert (of.status, of.closed_at, user.is_active) == ("CLOSED", NOON, False)
        told = OutboxEvent.objects.filter(name="member.closed")
        assert sorted(event.subscriber for event in told) == [
            "benefits.subscribers.coupons.revoke_coupons",
            "benefits.subscribers.rights.end",
            "points.subscribers.forfeit_balance",
        ]
        assert [event.payload for event in told] == [
            {"member_id": of.pk, "closed_at": NOON.isoformat()}
        ] * 3
        assert enroll().pk != of.pk

    @pytest.mark.parametrize(
        ("status", "refused"),
        [
            ("PRE_REGISTERED", {"freeze", "unfreeze"}),
            ("ACTIVE", {"activate", "unfreeze"}),
            ("FROZEN", {"activate", "freeze"}),
            ("CLOSED", {"activate", "freeze", "unfreeze", "close"}),
        ],
    )
    def test_each_state_allows_its_steps(self, status, refused):
        by = staff()
        steps = {
            "activate": lambda pk: operations.activate(member_id=pk, activated_at=NOON),
            "freeze": lambda pk: operations.freeze(member_id=pk, by=by, reason=""),
            "unfreeze": lambda pk: operations.unfreeze(member_id=pk, by=by, reason=""),
            "close": lambda pk: operations.close(member_id=pk, closed_at=NOON, by=by, reason=""),
        }
        for name, step in steps.items():
            of = member(active=status != "PRE_REGISTERED")
            if status == "FROZEN":
                steps["freeze"](of.pk)
            if status == "CLOSED":
                steps["close"](of.pk)
            if name in refused:
                with pytest.raises(operations.WrongState):
                    step(of.pk)
                of.refresh_from_db()
                assert of.status == status
            else:
                step(of.pk)

    def test_a_member_has_one_login(self):
        of = member()

        first = operations.login_for(member_id=of.pk)

        assert operations.login_for(member_id=of.pk) == first
        assert User.objects.get().username == of.number
        assert not first.has_usable_password()


class TestConstraints:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("members_member_number_form", {"number": "M1"}),
            ("members_member_active_was_activated", {"activated_at": None}),
            ("members_member_pre_registered_was_not", {"status": "PRE_REGISTERED"}),
            ("members_member_closed_has_a_time", {"status": "CLOSED"}),
            ("members_member_closed_has_a_time", {"closed_at": NOON}),
        ],
    )
    def test_a_member_that_cannot_be(self, constraint, fields):
        of = member()

        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            Member.objects.filter(pk=of.pk).update(**fields)

    @pytest.mark.parametrize("identifier", ["ab", "vin123", "-AB", "A B"])
    def test_a_product_is_stored_normalized(self, identifier):
        of = member()

        with (
            pytest.raises(IntegrityError, match="members_product_identifier_normalized"),
            transaction.atomic(),
        ):
            Product.objects.create(member=of, identifier=identifier)

    def test_a_product_sold_on_has_a_new_owner(self):
        first, second = member(), member()
        product = operations.add_product(
            member_id=first.pk, product=operations.ProductFacts(identifier=VIN), bound_at=NOON
        )
        Product.objects.filter(pk=product.pk).update(owned_until="2026-06-15")

        assert operations.add_product(
            member_id=second.pk, product=operations.ProductFacts(identifier=VIN), bound_at=NOON
        )
