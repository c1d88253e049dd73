"""Policies in words: each says what it means, in one sentence or more."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from programme import words
from programme.policies import Policies
from tests.programme.strategies import policies

LEAST = {
    "validity": "never",
    "rounding": {"mode": "up", "per": "line"},
    "return_after_spending": "refuse",
}


def told(name, language="en", **written):
    with translation.override(language):
        return dict(words.policies(Policies.parse(LEAST | written)))[name]


@pytest.mark.parametrize(
    ("validity", "lines"),
    [
        ("never", ["for ever"]),
        ({"months": 1, "until": "day"}, ["1 month after the day they were earned"]),
        ({"months": 12, "until": "year_end"}, ["12 months, to the end of that year"]),
        (
            {"months": 12, "until": "month_end", "extra_months": {"gold": 6}},
            ["12 months, to the end of that month", "tier gold: 6 months longer"],
        ),
        ({"date": "2026-12-31"}, ["until Dec. 31, 2026"]),
        ({"day_of_year": "02-29", "years": 1}, ["until the next February 29"]),
        ({"day_of_year": "12-31", "years": 2}, ["until the next December 31 and 1 year more"]),
        ({"day_of_year": "12-31", "years": 3}, ["until the next December 31 and 2 years more"]),
        (
            {"cycle_years": 1},
            ["for 1 calendar year, that of the first point; then everything is cleared"],
        ),
        (
            {"cycle_years": 2},
            ["for 2 calendar years, the first point's own included; then everything is cleared"],
        ),
        (
            {"inactive_months": 24, "until": "day"},
            [
                "24 months after the latest activity; then everything lapses",
                "points earned count as activity",
                "points redeemed count as activity",
            ],
        ),
    ],
)
def test_how_long_points_live(validity, lines):
    assert told("Points live", validity=validity) == lines


@pytest.mark.parametrize(
    ("name", "written", "lines"),
    [
        ("Their time runs", {}, ["from the day they were earned"]),
        (
            "Their time runs",
            {"clock": "activation"},
            ["from the day they were earned; for pre-registered members from their activation"],
        ),
        ("Points can be spent", {}, ["at once"]),
        (
            "Points can be spent",
            {"vesting": {"days": 1, "categories": {"parts": {"event": True}, "oil": {"days": 0}}}},
            [
                "parts: once they are released",
                "oil: at once",
                "everything else: 1 day after the purchase",
            ],
        ),
        ("Points given back", {}, ["keep their last day, but live at least 30 days more"]),
        ("Points given back", {"reinstatement_days": 0}, ["keep their last day"]),
        ("Before points lapse", {}, ["a notice 30 days before", "a notice 7 days before"]),
        (
            "Before points lapse",
            {"notices": {"before": [{"months": 1}], "required": True}},
            [
                "a notice 1 month before",
                "no notice, no expiry: without one they live 30 days longer",
            ],
        ),
        ("A hold", {}, ["lasts 15 minutes unless the till says less"]),
        (
            "Orders of the shop",
            {"orders": {"collect_days": 1}},
            [
                "late when not picked 3 days after it is paid",
                "late when neither sent nor ready 3 days after it is picked",
                "waits at the store for 1 day",
                "counts as received 15 days after it was sent",
                "a return can be asked for within 15 days",
                "late when a return is not decided within 7 days",
            ],
        ),
        ("Products are known by", {}, ["any identifier, such as a serial number"]),
        (
            "Products are known by",
            {"product_identifiers": "vin"},
            ["a vehicle identification number whose check digit fits"],
        ),
        ("Who wants to be forgotten", {}, ["can take it back for 15 days"]),
        ("Who wants to be forgotten", {"erasure_days": 0}, ["is forgotten in the next night"]),
        ("Who wants to join", {}, ["is a member at once"]),
        ("Who wants to join", {"application_days": 9}, ["is a member at once"]),
        (
            "Who wants to join",
            {"joining": "approved_by_brand"},
            ["applies, and the brand's staff decide"],
        ),
        (
            "Who wants to join",
            {"joining": "approved_by_dealer", "application_days": 30},
            [
                "applies, and staff of the dealer or the brand decide",
                "an application lapses after 30 days",
            ],
        ),
        ("Corrections", {}, ["need one person"]),
        ("Corrections", {"adjustment_limit": 0}, ["always need a second person"]),
        ("Corrections", {"adjustment_limit": 5000}, ["need a second person above 5,000 points"]),
        ("Transfers between members", {}, ["not allowed"]),
        (
            "Transfers between members",
            {
                "transfers": {
                    "limits": [
                        {"days": 1, "count": 1},
                        {"days": 7, "points": 1000},
                        {"days": 30, "count": 9, "points": 2000},
                    ]
                }
            },
            [
                "at most 1 transfer within 1 day",
                "at most 1,000 points within 7 days",
                "at most 9 transfers and 2,000 points within 30 days",
            ],
        ),
        ("Who pays", {}, ["the brand: 100 %"]),
        (
            "Who pays",
            {
                "funding": [
                    {"payer": "brand", "share": "33.30", "budget": "Spring"},
                    {"payer": "store", "share": "50"},
                    {"payer": "D01", "share": "16.70"},
                ]
            },
            [
                "the brand: 33.3 %, from “Spring”",
                "the organization of the store: 50 %",
                "D01: 16.7 %",
            ],
        ),
    ],
)
def test_the_others(name, written, lines):
    assert told(name, **written) == lines


@given(st.dates().flatmap(lambda day: policies(valid_from=day)))
def test_all_that_makes_sense_can_be_told(written):
    for language in ("zh-hans", "zh-hant", "en"):
        with translation.override(language):
            rows = words.policies(Policies.parse(written))

        assert all(lines and all(lines) for _name, lines in rows)


def test_tiers_are_called_by_their_names():
    validity = {"months": 12, "until": "month_end", "extra_months": {"gold": 6, "gone": 1}}
    with translation.override("en"):
        rows = words.policies(
            Policies.parse(LEAST | {"validity": validity}), tiers={"gold": "Gold card"}
        )

    assert dict(rows)["Points live"][1:] == [
        "tier Gold card: 6 months longer",
        "tier gone: 1 month longer",
    ]
