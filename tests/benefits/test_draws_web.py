"""Members draw on their own pages, and check what came of it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from benefits.models.draws import DrawOutcome
from benefits.operations import draws
from members import operations as members
from points.queries import balance
from tests.benefits.draw_plan import certain, prize, published, terms
from tests.benefits.shop import listed
from tests.factories import identity, lot, member, plain, staff

pytestmark = pytest.mark.django_db
LIST, PAGE = "/draws/", "/draws/summer/"
QUERIES_MAX = 10


@pytest.fixture
def who():
    plain()
    return member(name="王小明")


@pytest.fixture
def browser(who):
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(members.login_for(member_id=who.pk))
    return client


def running(*prizes, **more):
    now = timezone.now()
    times = {"opens_at": now - timedelta(days=1), "closes_at": now + timedelta(days=9)}
    return published(*(prizes or [certain()]), **(times | more))


def enter(browser, reference=None):
    return browser.post(PAGE, {"reference": reference or uuid4()})


def text(answer):
    return " ".join(answer.content.decode().split())


def test_a_visitor_is_asked_to_log_in():
    assert Client().get(PAGE).url.startswith(reverse("login"))


def test_without_draws_the_list_says_so(browser):
    assert "There is no prize draw at the moment." in text(browser.get(LIST))


def test_drafts_are_not_shown(browser):
    draws.create(code="summer", terms=terms(), by=staff())

    assert PAGE not in text(browser.get(LIST))
    assert browser.get(PAGE).status_code == 404
    assert enter(browser).status_code == 404


def test_odds_and_hash_are_shown_and_the_seed_is_not(browser):
    draw = running(prize("茶杯", 1_500, 7))

    page = text(browser.get(PAGE))

    assert "0.15 %" in page
    assert "7 of 7 left" in page
    assert draw.seed_hash in page
    assert draw.seed not in page


def test_drawing_takes_the_points_and_shows_what_came_of_it(browser, who):
    lot(identity(who), 100)
    running(entry_points=30)

    answer = enter(browser)

    assert answer.url == f"{PAGE}?drawn=1"
    assert "You won: 积分" in text(browser.get(answer.url))
    assert balance(who.pk) == 100 - 30 + 20
    assert "积分" in text(browser.get(LIST))


def test_a_form_sent_twice_draws_once(browser, who):
    running()
    reference = uuid4()

    assert enter(browser, reference).url == enter(browser, reference).url
    assert DrawOutcome.objects.count() == 1


def test_with_too_few_points_nothing_is_drawn_and_it_says_why(browser):
    running(entry_points=30)

    answer = enter(browser)

    assert answer.status_code == 422
    assert 'role="alert"' in text(answer)
    assert not DrawOutcome.objects.exists()


def test_at_the_limit_there_is_no_button_and_no_draw(browser):
    running(limit_count=1, limit_period="DAY")
    assert "Draws you have left: 1." in text(browser.get(PAGE))
    enter(browser)

    page = text(browser.get(PAGE))

    assert "Draws you have left: 0." in page
    assert "Draw now" not in page
    assert enter(browser).status_code == 422


def test_before_it_opens_there_is_no_button(browser):
    running(opens_at=timezone.now() + timedelta(days=1))

    assert "Draw now" not in text(browser.get(PAGE))


def test_what_another_drew_is_not_shown(browser):
    draw = running()
    draws.enter(member=identity(member()), draw_id=draw.pk, reference="R", at=timezone.now())

    assert "You won" not in text(browser.get(f"{PAGE}?drawn=1"))


@pytest.mark.parametrize("said", ["²", "x", "-1", "9" * 30])
def test_a_number_that_is_none_is_passed_over(browser, said):
    running()

    assert browser.get(PAGE, {"drawn": said}).status_code == 200


def test_a_closed_draw_shows_its_seed_to_check_by(browser):
    draw = running()
    enter(browser)
    draws.close(draw_id=draw.pk, by=staff(), at=timezone.now())

    page = text(browser.get(PAGE))

    assert draw.seed in page
    assert "Draw number 1, result" in page
    assert enter(browser).status_code == 422


@pytest.mark.parametrize("path", [LIST, PAGE])
def test_takes_few_queries_however_much_was_drawn(browser, django_assert_max_num_queries, path):
    running(certain(pieces=9))
    for _ in range(5):
        enter(browser)

    with django_assert_max_num_queries(QUERIES_MAX):
        browser.get(path)


def test_without_a_ticket_the_page_leads_to_the_shop(browser, who):
    draw = running(needs_ticket=True)
    item = listed(
        source="DRAW", handovers=("ONLINE",), draw_id=draw.pk, is_counted=False, pieces=None
    )

    page = text(browser.get(PAGE))

    assert "Each go at this draw needs a ticket from the shop." in page
    assert reverse("benefits:item", args=[item.code]) in page
    assert 'name="reference"' not in page
    answer = enter(browser)
    assert answer.status_code == 422
    assert not DrawOutcome.objects.exists()


def test_a_prize_says_where_it_is(browser, who):
    draw = running(prize("茶杯", 1_000_000, 7))
    enter(browser)
    assert "Our staff will hand it over to you." in text(browser.get(PAGE))

    draws.hand_over(
        outcome_id=DrawOutcome.objects.get().pk, note="顺丰 SF1001", by=staff(), at=timezone.now()
    )

    page = text(browser.get(PAGE))
    assert "Handed over on" in page
    assert "顺丰 SF1001" in page
    assert draw.code in page
