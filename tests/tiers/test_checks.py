"""What strikes the rule check about a ladder: one that has it, and one that has not."""

from copy import deepcopy

import pytest
from django.utils import translation

from programme import documents
from tests.factories.programme import PLAIN
from tiers import checks


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


def points(at_least):
    return {"measure": "points", "at_least": at_least}


def spend(at_least):
    return {"measure": "spend", "at_least": at_least}


def events(at_least):
    return {"measure": "events", "at_least": at_least}


def level(code, upgrade=None, **more):
    made = {"code": code, "names": {"zh-hans": code}, "color": "#000000", **more}
    return made | ({"upgrade": upgrade} if upgrade else {})


def document(*levels, groups=(), **policies):
    made = deepcopy(documents.parse(PLAIN.read_text()))
    made["tiers"] = {"levels": [level("regular"), *levels]}
    made["policies"] |= policies
    kinds = [
        {"code": f"k{nth}", "names": {"zh-hans": "k"}, "group": group, "points": "1"}
        for nth, group in enumerate(groups)
    ]
    made["activities"] = {"kinds": kinds, "caps": [], "budgets": [], "gifts": [], "tasks": []}
    documents.validate(made)
    return made


def found(check, made):
    return [(finding.path, finding.text) for finding in check(made)]


class TestUnreachable:
    def test_what_no_activity_counts_for(self):
        made = document(level("silver", {"all": [points("10"), events("1")]}), groups=["task"])

        assert found(checks.unreachable, made) == [
            (
                ("tiers", "levels", 1, "upgrade"),
                "Nobody can reach “silver”: no activity counts as what it asks.",
            )
        ]

    def test_not_if_there_is_another_way_or_such_an_activity(self):
        either = level("silver", {"any": [points("10"), events("1")]})
        asking = level("silver", {"all": [points("10"), events("1")]})

        assert found(checks.unreachable, document(either)) == []
        assert found(checks.unreachable, document(asking, groups=["event"])) == []

    def test_what_is_passed_by(self):
        made = document(
            level("silver", {"all": [points("100"), spend("50")]}), level("gold", spend("50"))
        )

        [(path, text)] = found(checks.unreachable, made)

        assert path == ("tiers", "levels", 1, "upgrade")
        assert text == "Nobody stays in “silver”: who reaches it reaches “gold” too."

    def test_not_if_some_stay(self):
        made = document(
            level("silver", {"any": [points("100"), spend("50")]}), level("gold", spend("50"))
        )

        assert found(checks.unreachable, made) == []

    def test_of_some_of_several(self):
        some = {"some": 2, "of": [points("10"), spend("10"), events("1")]}

        assert found(checks.unreachable, document(level("silver", some))) == []
        needs_events = {"some": 3, "of": some["of"]}
        assert len(found(checks.unreachable, document(level("silver", needs_events)))) == 1


class TestHarderToKeep:
    @pytest.mark.parametrize(
        "keep",
        [points("101"), {"all": [points("50"), spend("10")]}, {"any": [points("200"), spend("1")]}],
    )
    def test_more_than_to_reach_it(self, keep):
        made = document(level("silver", points("100"), keep=keep, validity={"months": 12}))

        assert found(checks.harder_to_keep, made) == [
            (("tiers", "levels", 1, "keep"), "“silver” is harder to keep than to reach.")
        ]

    def test_not_if_of_two_thresholds_the_greater_counts(self):
        both = {"all": [points("50"), {"any": [points("100"), points("120")]}]}
        made = document(level("silver", both, keep=points("90"), validity={"months": 12}))

        assert found(checks.harder_to_keep, made) == []

    @pytest.mark.parametrize("keep", [points("100"), {"any": [points("50"), spend("10")]}])
    def test_not_if_what_reached_it_keeps_it(self, keep):
        made = document(level("silver", points("100"), keep=keep, validity={"months": 12}))

        assert found(checks.harder_to_keep, made) == []


class TestShorterLife:
    def test_after_an_upgrade(self):
        validity = {"months": 12, "until": "day", "extra_months": {"silver": 6, "gold": 3}}
        made = document(level("silver", points("1")), level("gold", points("2")), validity=validity)

        [(path, text)] = found(checks.shorter_life, made)

        assert path == ("policies", "validity", "extra_months")
        assert text == "Who rises from “silver” to “gold” gets points that live shorter."

    @pytest.mark.parametrize(
        "validity",
        ["never", {"months": 12, "until": "day", "extra_months": {"silver": 3, "gold": 6}}],
    )
    def test_not_if_they_live_as_long(self, validity):
        made = document(level("silver", points("1")), level("gold", points("2")), validity=validity)

        assert found(checks.shorter_life, made) == []
