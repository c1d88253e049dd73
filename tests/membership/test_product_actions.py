"""Staff bind products to members and hand them over (M2)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate

from common.models import AuditRecord
from members import masking, operations
from members.models import Product
from tests.factories import member

pytestmark = pytest.mark.django_db

VIN = "LSVAA49J132047371"


def page(action, of):
    return reverse(f"admin:member-{action}", args=[of.number])


def bound(of):
    return operations.add_product(
        member_id=of.pk,
        product=operations.ProductFacts(identifier=VIN, name="朗逸"),
        bound_at=timezone.now(),
    )


def test_a_product_is_bound_with_a_reason_and_a_name_on_it(boss):
    of = member()

    answer = boss.post(
        page("product-add", of), {"identifier": VIN.lower(), "name": "朗逸", "reason": "发票"}
    )

    assert answer.status_code == 302
    assert of.products.get().identifier == VIN
    assert AuditRecord.objects.get(action="member.product_bound").reason == "发票"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"identifier": "车架号"}, "not a product identifier"),
        ({"identifier": VIN}, "Another member owns this product"),
        ({"identifier": "SN-1", "purchased_on": "2026-02-30"}, "valid date"),
        ({"identifier": ""}, "required"),
    ],
)
def test_what_cannot_be_bound_is_refused_and_nothing_changes(boss, content, said):
    bound(member())

    answer = boss.post(page("product-add", member()), {"reason": "x"} | content)

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert Product.objects.count() == 1


def test_the_new_owner_is_found_by_number_or_phone(boss):
    first, second, third = member(), member(), member(phone="13812345678")
    for giver, to, owner in (
        (first, second.number.lower(), second),
        (second, "138 1234 5678", third),
    ):
        product = (giver.products.filter(owned_until=None).first() or bound(giver)).pk

        answer = boss.post(
            page("product-hand-over", giver),
            {"product": product, "to": to, "on": localdate().isoformat(), "reason": "过户"},
        )

        assert answer.status_code == 302
        assert Product.objects.get(owned_until=None).member == owner


@pytest.mark.parametrize("to", ["", "M0000000011", "nobody", "13900000000", "\x00"])
def test_nobody_gets_a_product(boss, to):
    of = member()

    answer = boss.post(
        page("product-hand-over", of),
        {"product": bound(of).pk, "to": to, "on": localdate().isoformat(), "reason": "x"},
    )

    assert answer.status_code == 200
    assert Product.objects.get().owned_until is None


def test_only_the_members_own_products_are_offered(boss):
    of, other = member(), member()
    theirs = bound(other)

    assert "owns no product" in boss.get(page("product-end", of)).content.decode()
    answer = boss.post(
        page("product-end", of),
        {"product": theirs.pk, "on": localdate().isoformat(), "reason": "x"},
    )
    assert answer.status_code == 200
    assert Product.objects.get().owned_until is None


def test_a_product_is_gone_from_a_day_on_and_stays_in_the_history(boss):
    of = member()
    product = bound(of)
    tomorrow = (localdate() + timedelta(days=1)).isoformat()

    refused = boss.post(
        page("product-end", of), {"product": product.pk, "on": tomorrow, "reason": "x"}
    )
    assert "between the purchase and today" in refused.content.decode()
    boss.post(
        page("product-end", of),
        {"product": product.pk, "on": localdate().isoformat(), "reason": "卖出"},
    )

    shown = boss.get(reverse("admin:member", args=[of.number])).content.decode()
    assert masking.product(VIN) in shown
    assert "owned until" in shown


def test_who_may_not_change_members_is_not_offered_it(at_work):
    of = member()
    auditor = at_work("auditor")

    assert auditor.get(page("product-add", of)).status_code == 403
    shown = auditor.get(reverse("admin:member", args=[of.number])).content.decode()
    assert page("product-add", of) not in shown
