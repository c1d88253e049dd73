"""Coupons in the console: a batch from its draft to its end, and conflicts."""

import pytest
from django.urls import reverse

from benefits.models.coupons import Coupon, CouponBatch
from benefits.operations import Who, coupons
from benefits.queries import coupons as queries
from common import approvals
from common.models import Approval
from membership.coupon_forms import CouponBatchForm
from tests.benefits.coupon_plan import NOW, generated, issued, running
from tests.factories import dealer, identity, plain, staff, store
from tests.membership.conftest import console

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    plain()
    return console(staff(username="boss"))


def page(batch):
    return reverse("admin:coupon-batch", args=[batch.pk])


def test_from_the_draft_to_codes_taken_away(client):
    form = {
        "code": "summer", "name_zh_hans": "夏日券", "kind": "AMOUNT", "amount": "30",
        "stacking": "ONCE", "first_on": "2026-07-01", "last_on": "2026-07-31", "total": "3",
        "codes_from": "GENERATED",
    }  # fmt: skip
    client.post(reverse("admin:coupon-draft"), form)
    batch = CouponBatch.objects.get()
    client.post(page(batch), {"do": "ask", "reason": "July"})
    approvals.approve(approval_id=Approval.objects.get().pk, by=staff(), at=NOW)
    coupons.work(clock=lambda: NOW)
    where = reverse("admin:coupon-batch-codes", args=[batch.pk])

    file = b"".join(client.post(where)).decode("utf-8-sig").split()
    again = client.post(where)

    assert (file[0], len(file)) == ("code", 4)
    assert again.status_code == 302
    assert "30" in client.get(page(batch)).content.decode()


def test_nonsense_is_told_in_the_form(client):
    answer = client.post(reverse("admin:coupon-draft"), {"code": "x", "kind": "PERCENT"})

    assert answer.status_code == 200
    assert not CouponBatch.objects.exists()


def test_revoking_wants_the_code_of_the_batch(client):
    batch, _codes = generated()

    client.post(page(batch), {"do": "revoke", "reason": "Misprint", "code": "another"})
    batch.refresh_from_db()
    assert batch.state == "RUNNING"
    client.post(page(batch), {"do": "revoke", "reason": "Misprint", "code": batch.code})
    batch.refresh_from_db()
    assert batch.state == "REVOKED"


def test_issues_to_one_member(client):
    batch, of = running(last_on=NOW.date().replace(year=2099)), identity()

    client.post(page(batch), {"do": "issue", "member": of.number, "tag": ""})

    assert Coupon.objects.get().member_id == of.id


def test_conflicts_say_who_where_and_what_it_cost(client):
    coupon = issued(running(), identity())
    for name in ("浦东店", "徐汇店"):
        coupons.report_offline(
            token=queries.token_of(coupon), used_at=NOW, discount=30, receipt=f"R-{name}",
            who=Who(store_id=store(name=name).pk), at=NOW,
        )  # fmt: skip

    told = client.get(reverse("admin:coupon-conflicts")).content.decode()

    assert "R-浦东店" in told
    assert "R-徐汇店" in told
    assert "30.00" in told


FORM = {
    "code": "summer", "name_zh_hans": "夏日券", "kind": "AMOUNT", "amount": "30",
    "stacking": "ONCE", "first_on": "2026-07-01", "last_on": "2026-07-31", "total": "3",
    "codes_from": "GENERATED",
}  # fmt: skip


def test_who_pays_is_drafted_and_stays_when_the_draft_is_changed(client):
    dealer(code="pudong")
    funding = "brand 60\nstore 30.5%\npudong 9.5 summer pot"
    client.post(reverse("admin:coupon-draft"), FORM | {"funding": funding})
    batch = CouponBatch.objects.get()

    kept = CouponBatchForm.initial_of(batch)["funding"]

    assert kept == "brand 60\nstore 30.5\npudong 9.5 summer pot"
    assert batch.funding[2] == {"payer": "pudong", "share": "9.5", "budget": "summer pot"}


@pytest.mark.parametrize("funding", ["brand", "brand x", "brand 60", "nobody 100", "brand 1000"])
def test_who_pays_must_be_known_and_pay_the_whole(client, funding):
    answer = client.post(reverse("admin:coupon-draft"), FORM | {"funding": funding})

    assert answer.status_code == 200
    assert not CouponBatch.objects.exists()
