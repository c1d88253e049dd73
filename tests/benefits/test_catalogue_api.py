"""The catalogue over REST."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from benefits.models.items import Category
from benefits.operations.items import Limit, Price
from members.models import Tag
from tests import factories
from tests.benefits.plan import noon, on, publish
from tests.benefits.shop import listed, take
from tests.till import Till, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_july():
    publish()
    with time_machine.travel(noon("2026-07-05"), tick=False):
        yield


@pytest.fixture
def till():
    return Till(factories.api_client(factories.store().organization))


def codes(answer):
    assert answer.status_code == 200, answer.content
    return [each["code"] for each in answer.json()["results"]]


def test_lists_what_there_is_at_the_price_of_the_members_tier(till):
    shelf = Category.objects.create(code="life", names={"zh-hans": "生活"})
    listed("cup", prices=(Price(1000), Price(700, 5, "t1")), category_id=shelf.pk, pieces=3)
    listed("bag")
    gold = on("t1")

    answer = till.ask(f"catalogue/?member={gold.number}")
    assert codes(answer) == ["bag", "cup"]
    cup = answer.json()["results"][1]
    assert (cup["points"], cup["cash"], cup["left"]) == (700, "5.00", 3)
    assert till.ask("catalogue/").json()["results"][1]["points"] == 1000
    assert codes(till.ask("catalogue/?category=life")) == ["cup"]


def test_goes_page_by_page(till):
    for code in "abcde":
        listed(code)
    answer = till.ask("catalogue/?limit=2")
    assert codes(answer) == ["e", "d"]
    answer = till.ask(f"catalogue/?limit=2&cursor={answer.json()['next_cursor']}")
    assert codes(answer) == ["c", "b"]
    answer = till.ask(f"catalogue/?limit=2&cursor={answer.json()['next_cursor']}")
    assert (codes(answer), answer.json()["next_cursor"]) == (["a"], None)


def test_an_item_tells_its_prices_limits_and_why_it_cannot_be_had(till):
    item = listed(
        "cup",
        prices=(Price(1000), Price(400, 60)),
        limits=(Limit(2, "MONTH"),),
        pieces=1,
        tiers=("t2",),
        on_sale_until=timezone.now() + timedelta(days=1),
        cost=58,
    )
    take(item)
    told = till.ask(f"catalogue/cup/?member={on('t1').number}").json()

    assert [(each["points"], each["cash"]) for each in told["prices"]] == [
        (400, "60.00"),
        (1000, "0.00"),
    ]
    assert told["limits"] == [{"count": 2, "period": "MONTH"}]
    assert told["left"] == 0
    assert told["on_sale_until"] == "2026-07-06T12:00:00+08:00"
    found = [each["code"] for each in told["obstacles"]]
    assert found == ["item_not_for_tier", "item_sold_out"]
    assert "cost" not in told


def test_what_is_for_chosen_members_is_not_found_by_others(till):
    tag = Tag.objects.create(name="车友会")
    listed("cup", tags=(tag.pk,))

    assert codes(till.ask("catalogue/")) == []
    assert refused(till.ask("catalogue/cup/"), 404, "unknown_item")
    assert refused(till.ask("catalogue/pen/"), 404, "unknown_item")
    assert till.ask("catalogue/?member=M0000000019").status_code in (404, 422)


def test_a_page_of_the_catalogue_asks_few_questions(till, django_assert_max_num_queries):
    gold = on("t1")
    for _ in range(6):
        listed(pieces=1)
    till.ask(f"catalogue/?member={gold.number}")
    with django_assert_max_num_queries(6):
        till.ask(f"catalogue/?member={gold.number}")
