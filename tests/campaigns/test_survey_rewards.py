"""Who answers a survey is given what the rulebook gives for it, once."""

import pytest
from django.utils import timezone

from campaigns import surveys
from points.queries import balance
from tests.benefits.plan import told
from tests.benefits.wanted import asking, candidate, say
from tests.factories import member
from tests.factories.activities import kind, rewarding

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rules():
    rewarding(kinds=[kind("survey", 30)])


@pytest.mark.parametrize(("activity", "points"), [("survey", 30), ("", 0), ("unheard-of", 0)])
def test_an_answer_is_rewarded_as_the_survey_says(activity, points):
    one, (options,) = asking(("RATE", [candidate("a"), candidate("b")]), activity=activity)
    who = member()

    for stars in (2, 4):
        say(one, who, dict.fromkeys(options, stars))
    told()

    assert balance(who.pk) == points


def test_however_often_it_is_told():
    who, at = member(), timezone.now()

    given = [
        surveys.answered(survey_id=1, member_id=who.pk, activity="survey", at=at) for _ in range(2)
    ]

    assert given == [30, 0]


def test_each_survey_is_rewarded():
    who, at = member(), timezone.now()

    given = [
        surveys.answered(survey_id=nth, member_id=who.pk, activity="survey", at=at)
        for nth in (1, 2)
    ]

    assert given == [30, 30]
    assert balance(who.pk) == 60
