"""The member's own page of benefits."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from benefits.models import Rating, Right
from members import operations as members
from tests.benefits.plan import always, deliver, discount, night, noon, on, publish, service
from tests.factories import identity

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    with time_machine.travel(noon("2026-07-05"), tick=False):
        yield


@pytest.fixture
def of():
    publish(
        service("wash", t1=2),
        discount("off", t1="85"),
        always("lane", "t1", kind="standing"),
    )
    one = on("t1")
    night("2026-07-01")
    return one


@pytest.fixture
def client(of):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=of.id))
    return client


def page(client):
    return client.get(reverse("benefits:benefits"))


def test_tells_what_is_left_and_what_is_always_there(client):
    html = page(client).content.decode()

    for text in ("2 left", "use it by July 31, 2026", "15 % off", "Lane", "Always yours"):
        assert text in html, text


def test_what_was_had_can_be_rated_once(client, of):
    right = deliver(of, "wash")
    assert "Rate it" in page(client).content.decode()
    sent = {"right": right.pk, "stars": "4", "words": "好"}

    answer = client.post(reverse("benefits:benefits"), sent)
    again = client.post(reverse("benefits:benefits"), sent)

    assert (answer.status_code, again.status_code) == (302, 422)
    assert (Rating.objects.get().stars, Rating.objects.get().words) == (4, "好")
    assert "4 of 5 stars" in page(client).content.decode()


def test_nobody_rates_what_another_had(client, of):
    other = identity()
    Right.objects.update(member_id=other.id)
    right = Right.objects.first()
    Right.objects.filter(pk=right.pk).update(state="DELIVERED", delivered_at=noon("2026-07-05"))

    answer = client.post(
        reverse("benefits:benefits"), {"right": right.pk, "stars": "1", "words": ""}
    )

    assert answer.status_code == 422
    assert not Rating.objects.exists()


def test_without_anything_to_use_it_says_so(client):
    Right.objects.update(state="LAPSED")
    publish(discount("off", t1="85"), valid_from="2026-07-02")

    assert "nothing to use" in page(client).content.decode()


def test_visitors_are_asked_who_they_are():
    assert Client().get(reverse("benefits:benefits")).status_code == 302
