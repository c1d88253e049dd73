"""The card at the till."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from members import cards
from members import operations as members
from tests.factories import member, plain, staff
from tests.membership.test_web import logged_in, text_of

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _programme():
    plain()


def path_of(response):
    return re.search(r'<path d="(M[^"]+)"', response.content.decode().split("<main")[-1])[1]


def test_shows_a_code_and_the_number_to_read_out():
    one = member(name="𠮷田㑇")

    response = logged_in(one).get("/card/")

    text = text_of(response)
    assert "𠮷田㑇" in text
    assert f"{one.number[:3]} {one.number[3:7]} {one.number[7:]}" in text
    assert one.number in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert len(response.content) < 20_000


def test_htmx_gets_a_new_code_alone(monkeypatch):
    made = []
    monkeypatch.setattr(
        cards, "code", lambda member_id, *, at: made.append(member_id) or f"MC1CODE{len(made)}"
    )
    one = member()
    client = logged_in(one)

    page, part = client.get("/card/"), client.get("/card/", headers=HTMX)

    assert made == [one.pk, one.pk]
    assert "<html" not in part.content.decode()
    assert path_of(page) != path_of(part)
    assert 'id="card-code"' in part.content.decode()


def test_each_time_another_code():
    client = logged_in(member())

    assert path_of(client.get("/card/")) != path_of(client.get("/card/"))


def test_without_scripts_the_page_renews_itself():
    page = logged_in(member()).get("/card/").content.decode()

    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in page


def test_a_frozen_member_is_told():
    one = member()
    members.freeze(member_id=one.pk, by=staff(), reason="loss of phone")

    assert "您的会员已冻结" in text_of(logged_in(one).get("/card/"))


def test_strangers_and_staff_have_none(client):
    assert client.get("/card/")["Location"] == "/login/?next=/card/"
    assert client.get("/card/", headers=HTMX)["HX-Redirect"].startswith("/login/")
    client.force_login(staff())
    assert client.get("/card/")["Location"] == "/"


def test_what_is_drawn_is_what_tills_read(till_code):
    one = member()

    assert cards.read(till_code(logged_in(one).get("/card/")), at=timezone.now()) == one.pk
    late = timezone.now() + timedelta(minutes=6)
    with pytest.raises(cards.CardExpired):
        cards.read(till_code(None), at=late)


@pytest.fixture
def till_code(monkeypatch):
    """What the page had drawn. That scanners read the drawing, the browser test looks at."""
    from common import qr

    drawn, texts = qr.drawn, []
    monkeypatch.setattr(qr, "drawn", lambda text: texts.append(text) or drawn(text))
    return lambda _response: texts[-1]
