"""The console's page of something a member did besides buying."""

import pytest
from django.urls import reverse
from django.utils import translation

from campaigns import activity_words
from tests.factories import identity
from tests.factories.activities import cap, do, kind, named, rewarding

pytestmark = pytest.mark.django_db


def test_it_tells_what_was_kept_back_by_which_cap(boss):
    names = {"zh-hans": "大型活动"}
    rewarding(
        kinds=[kind("event", 50) | {"names": names}],
        caps=[cap("year", "event", points=80) | {"names": {"zh-hans": "每年八十分"}}],
    )
    of = identity()
    do(of, "event")
    granted = do(of, "event")

    shown = boss.get(reverse("admin:activity", args=[granted.posted.activity_id]))

    text = shown.content.decode()
    assert shown.status_code == 200
    assert "大型活动 · 50" in text
    assert "每年八十分" in text
    assert "−20" in text


def test_every_reason_has_its_sentence():
    version = rewarding(
        kinds=[kind("visit", 50, once_per="day")],
        caps=[
            cap("life", "visit", times=9, per="lifetime"),
            cap("half", "activities", share="50", of_type="consumption"),
        ],
        budgets=[named("pot", of=["visit"], points=10)],
    )
    cuts = [
        {"by": "visit", "reason": "once", "points": 50, "per": "day"},
        {"by": "life", "reason": "times", "points": 50, "limit": 9, "used": 9, "per": "lifetime"},
        {"by": "gone", "reason": "points", "points": 5, "limit": 1200, "used": 7, "per": "year"},
        {
            "by": "half", "reason": "share", "points": 5, "limit": 10, "used": 7, "per": "year",
            "consumption": 21,
        },
        {"by": "pot", "reason": "budget", "points": 40},
    ]  # fmt: skip

    with translation.override("en"):
        told = activity_words.cuts({"cut": cuts}, version_id=version.pk)

    assert [(each.name, each.why) for each in told] == [
        ("visit", "It counts once a day."),
        ("life", "At most 9 times a lifetime."),
        ("gone", "At most 1,200 points a year; 7 were given."),
        ("half", "At most 10 points a year, because purchases gave 21; 7 were given."),
        ("pot", "The budget is spent."),
    ]
