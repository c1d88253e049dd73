"""Activities as a part of the programme file: there and back, and what makes no sense in it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import DatabaseError, transaction

from campaigns.activity_rulebook import DEFAULT
from campaigns.models import ActivityRule, Budget, Cap, Gift, Task
from programme import documents, operations, queries
from programme.documents import InvalidProgramme
from tests.factories import plain
from tests.factories.activities import cap, document, kind, named, rewarding
from tests.factories.programme import PLAIN

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, tzinfo=UTC)
GUIDE = Path(__file__).parents[2] / "docs" / "programme.md"

FULL = {
    "kinds": [
        kind("check-in", 1, once_per="day"),
        kind("event", 50, group="event"),
        kind("survey", 0),
    ],
    "caps": [
        cap("check-in-year", "check-in", points=365),
        cap("event-day", "event", "survey", times=2, per="day"),
        cap("half", "activities", share="50", of_type="consumption"),
        cap("base-month", "base", points=1000, per="month"),
    ],
    "budgets": [
        named("spring", of=["event", "base"], points=100_000),
        named(
            "shanghai",
            of=["activities"],
            money="10000.5",
            dealer="SH-1",
            **{"from": "2026-03-01", "until": "2026-05-31"},
        ),
    ],
    "gifts": [
        named("welcome", when="joined", points="100"),
        named("bind", when="product_bound", points="100", since="2026-01-01", within_months=3),
        named("last-year", when="year_end", points="1", per_amount="1000", categories=["labour"]),
    ],
    "tasks": [named("first-buy", when="first_purchase", points="20")],
}


def load(**section):
    return operations.load(document=document(**section), published_at=NOW)


class TestTheFile:
    def test_comes_back_as_it_was(self):
        asked = document(**FULL)

        version = operations.load(document=asked, published_at=NOW).version

        assert queries.export(version) == asked
        assert documents.parse(documents.render(asked)) == asked

    def test_loaded_twice_is_one_version(self):
        load(**FULL)

        assert load(**FULL).unchanged

    def test_may_leave_the_activities_out(self):
        version = plain()

        assert "activities" not in queries.export(version)
        assert not ActivityRule.objects.exists()

    @pytest.mark.parametrize("model", [ActivityRule, Budget, Cap, Gift, Task])
    def test_cannot_be_changed_once_it_is_published(self, model):
        load(**FULL)

        with pytest.raises(DatabaseError, match="published"), transaction.atomic():
            model.objects.update(position=9)


def refusal(**section):
    with pytest.raises(InvalidProgramme) as refused:
        load(**section)
    assert not Cap.objects.exists()
    return refused.value.details["where"]


SHARED = {"share": "50", "of_type": "consumption"}


class TestNonsense:
    """Each is refused with its place in the file."""

    @pytest.mark.parametrize(
        ("section", "where"),
        [
            ({"kinds": [kind("a"), kind("a")]}, "kinds[1].code"),
            ({"kinds": [kind("base")]}, "kinds[0].code"),  # a rule of `plain`
            ({"kinds": [kind("activities")]}, "kinds[0].code"),
            (
                {"kinds": [kind("a")], "tasks": [named("a", when="joined", points="1")]},
                "tasks[0].code",
            ),
            ({"caps": [cap("c", "skydiving", points=1)]}, "caps[0].of"),
            ({"budgets": [named("b", of=["skydiving"], points=1)]}, "budgets[0].of"),
            ({"caps": [cap("c", "base", points=1), cap("c", "base", points=2)]}, "caps[1].code"),
            ({"caps": [cap("c", "activities")]}, "caps[0]"),
            ({"caps": [cap("c", "activities", points=1, times=1)]}, "caps[0]"),
            ({"caps": [cap("c", "activities", share="50")]}, "caps[0].of_type"),
            ({"caps": [cap("c", "base", **SHARED)]}, "caps[0].of"),
            ({"caps": [cap("c", "consumption", "activities", points=1)]}, "caps[0].of"),
            ({"caps": [cap("c", "consumption", times=1)]}, "caps[0].times"),
            ({"caps": [cap("c", "base", points=-1)]}, "caps[0].points"),
            ({"caps": [cap("c", points=1)]}, "caps[0].of"),
            ({"caps": [cap("c", "base", points=1, per="aeon")]}, "caps[0].per"),
            ({"caps": [cap("c", "activities", share="0", of_type="consumption")]}, "caps[0].share"),
            ({"budgets": [named("b", of=["base"])]}, "budgets[0]"),
            ({"budgets": [named("b", of=["base"], points=1, money="1")]}, "budgets[0]"),
            ({"budgets": [named("b", of=["base"], money="0.09")]}, "budgets[0].money"),
            ({"budgets": [named("b", of=["base"], points=0)]}, "budgets[0].points"),
            (
                {
                    "budgets": [
                        named(
                            "b",
                            of=["base"],
                            points=1,
                            **{"from": "2026-06-02", "until": "2026-06-01"},
                        )
                    ]
                },
                "budgets[0].until",
            ),
            ({"gifts": [named("g", when="year_end", points="1")]}, "gifts[0].per_amount"),
            (
                {"gifts": [named("g", when="joined", points="1", per_amount="1")]},
                "gifts[0].per_amount",
            ),
            ({"gifts": [named("g", when="joined", points="0.5")]}, "gifts[0].points"),
            (
                {"gifts": [named("g", when="joined", points="1", categories=["labour"])]},
                "gifts[0].categories",
            ),
            (
                {"gifts": [named("g", when="product_bound", points="1", within_months=3)]},
                "gifts[0].since",
            ),
            (
                {
                    "gifts": [
                        named("g", when="joined", points="1", within_months=3, since="2026-01-01")
                    ]
                },
                "gifts[0].within_months",
            ),
        ],
    )
    def test_is_refused_beside_its_field(self, section, where):
        assert refusal(**section) == f"$.activities.{where}"

    def test_days_that_do_not_exist_are_refused(self):
        told = named("b", of=["base"], points=1, **{"from": "2026-02-29"})

        assert refusal(budgets=[told]) == "$.activities.budgets[0].from"


def test_what_is_left_out_is_nothing():
    assert documents.schema()["properties"]["activities"]["required"] == list(DEFAULT)
    assert "activities" not in documents.schema()["required"]
    version = rewarding()
    assert not Cap.objects.filter(version=version).exists()


def test_the_example_of_the_guide_can_be_loaded():
    [example] = re.findall(r"```yaml\n(activities:.*?)```", GUIDE.read_text(), re.DOTALL)
    asked = documents.parse(PLAIN.read_text() + example)

    version = operations.load(document=asked, published_at=NOW).version

    assert Cap.objects.filter(version=version).count() == 4
