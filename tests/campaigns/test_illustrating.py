"""What a draft would give, side by side for each tier."""

from decimal import Decimal

import pytest
from django.utils import translation

from campaigns import illustrating
from tests.campaigns.test_checks import boost, document, rates, rule


@pytest.fixture(autouse=True)
def _in_english():
    with translation.override("en"):
        yield


def table(made):
    return {row.name: [cell.percent for cell in row.cells] for row in illustrating.effective(made)}


def test_per_cent_of_spend_by_tier_category_and_boost():
    made = document(
        rule("labour", points="1", per_amount="5", categories=["labour"]),
        rule(tiers=rates(silver="1.25", gold="2")),
        boosts=[
            boost("birthday", {"factor": "2"}, {"birthday": "month", "tiers": ["gold"]}),
            boost("gift", {"points": "50"}, {"first_purchase": True}),
        ],
    )

    # Ten points are one yuan: a point for ten is one per cent.
    assert table(made) == {
        "Without a category": ["1", "1.25", "2"],
        "labour": ["2", "2", "2"],
        "birthday": ["1", "1.25", "4"],
    }
    widths = [cell.width for cell in illustrating.effective(made)[0].cells]
    assert widths == [25, 31, 50]


def test_a_boost_on_a_product_is_shown_for_that_product():
    made = document(boosts=[boost("launch", {"factor": "3"}, {"products": ["NEW"]})])

    assert table(made)["launch"] == ["3", "3", "3"]


def test_a_programme_without_tiers_has_one_column():
    made = document(rule())
    del made["tiers"]

    assert table(made) == {"Without a category": ["1"]}


def test_what_earns_nothing_is_no_division_by_zero():
    assert table(document(rule(points="0"))) == {"Without a category": ["0", "0", "0"]}


def test_a_receipt_worked_out_for_each_tier():
    made = document(
        rule(tiers=rates(gold="1.5")), boosts=[boost("opening", {"percent": "10"})], mode="half_up"
    )

    regular, _silver, gold = illustrating.receipts(made, amount=Decimal("268.00"), category="")

    assert (regular.points, regular.worth, regular.percent) == (29, Decimal("2.9"), "1.08")
    assert gold.steps == [
        ("base", "1.5 points for every 10", "40.2"),
        ("opening", "10 % more", "+4.02"),
    ]
    assert (gold.points, gold.tier.name) == (44, "gold")


def test_a_line_no_rule_takes_earns_nothing():
    made = document(rule(categories=["parts"]))

    receipt = illustrating.receipts(made, amount=Decimal(100), category="")[0]

    assert (receipt.points, receipt.steps, receipt.percent) == (0, [], "0")
