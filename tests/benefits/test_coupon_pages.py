"""A member's coupons on their pages."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localdate, timedelta

from benefits.coupons import codes
from benefits.models.coupons import Coupon
from benefits.operations import Who, coupons
from members import operations as members
from tests.benefits.coupon_plan import bill, generated, issued, running
from tests.factories import identity, plain, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def days(now):
    today = localdate(now)
    return {"first_on": today - timedelta(days=1), "last_on": today + timedelta(days=30)}


@pytest.fixture
def of():
    plain()
    return identity()


@pytest.fixture
def member_client(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    return client


def test_shows_what_can_be_used_and_what_was(member_client, of, now, days):
    fresh, used = running(**days), running(**days)
    coupon = issued(fresh, of, at=now)
    coupons.consume(
        code=issued(used, of, at=now).code, at=now, who=Who(store_id=store(name="浦东店").pk),
        receipt="R1", lines=bill(100),
    )  # fmt: skip

    page = member_client.get(reverse("benefits:coupons"))

    assert [each["coupon"] for each in page.context["usable"]] == [coupon]
    assert [str(each["coupon"].batch) for each in page.context["used"]] == [str(used)]
    assert "浦东店" in page.content.decode()


def test_one_to_show_carries_its_token(member_client, of, now, days):
    coupon = issued(running(**days), of, at=now)

    page = member_client.get(reverse("benefits:coupon", args=[coupon.pk]))

    assert codes.shown(coupon.code) in page.content.decode()
    assert page.context["qr"] is not None


def test_anothers_is_not_there(member_client, of, now, days):
    coupon = issued(running(**days), identity(), at=now)

    assert member_client.get(reverse("benefits:coupon", args=[coupon.pk])).status_code == 404


def test_a_used_one_shows_no_code(member_client, of, now, days):
    coupon = issued(running(**days), of, at=now)
    coupons.consume(
        code=coupon.code, at=now, who=Who(store_id=store().pk), receipt="R1", lines=bill(100)
    )

    page = member_client.get(reverse("benefits:coupon", args=[coupon.pk]))

    assert page.context["qr"] is None
    assert codes.shown(coupon.code) not in page.content.decode()


def test_claims_by_a_code(member_client, of, days):
    _batch, [code, *_rest] = generated(**days)
    where = reverse("benefits:coupons")

    wrong = member_client.post(where, {"code": "NOTHING"})
    right = member_client.post(where, {"code": codes.shown(code)})

    assert wrong.status_code == 422
    coupon = Coupon.objects.get(member_id=of.id)
    assert right["Location"] == reverse("benefits:coupon", args=[coupon.pk])


def test_the_page_asks_little(member_client, of, now, days, django_assert_max_num_queries):
    batch = running(**days)
    for _ in range(10):
        issued(batch, of, at=now)
    where = reverse("benefits:coupons")
    member_client.get(where)

    with django_assert_max_num_queries(10):
        member_client.get(where)


def test_says_what_became_of_it_before_the_night_does(member_client, of, now, days):
    lapsed = issued(running(**days), of, at=now)
    Coupon.objects.filter(pk=lapsed.pk).update(first_on=days["first_on"], last_on=days["first_on"])
    batch = running(**days)
    gone = issued(batch, of, at=now)
    coupons.revoke_batch(batch_id=batch.pk, reason="Recall", by=batch.created_by)

    page = member_client.get(reverse("benefits:coupons"))

    states = {each["coupon"]: each["state"] for each in page.context["over"]}
    assert states == {lapsed: "Lapsed", gone: "Revoked"}
    for coupon, state in states.items():
        told = member_client.get(reverse("benefits:coupon", args=[coupon.pk])).content.decode()
        assert state in told
        assert 'class="qr"' not in told
