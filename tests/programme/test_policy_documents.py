"""Policies as a part of the programme file: what is refused, where and why; the book's example."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from django.utils import translation

from programme import documents, operations, queries
from programme.models import Version
from programme.policies import Policies
from tests.factories.programme import PLAIN

BOOK = Path(__file__).parents[2] / "docs" / "programme.md"
VALIDITY = {"months": 1, "until": "day"}


def document(valid_from="1900-01-01", **policies):
    found = documents.parse(PLAIN.read_text())
    found["valid_from"] = valid_from
    found["policies"] |= policies
    return found


def funding(*shares):
    return {"funding": [{"payer": f"P{n}", "share": share} for n, share in enumerate(shares)]}


def limits(*limits):
    return {"transfers": {"limits": list(limits)}}


def inactive(**more):
    return {"validity": {"inactive_months": 12, "until": "day"} | more}


@pytest.mark.parametrize(
    ("policies", "where", "why"),
    [
        # The shape: what is told is what is wrong in the rule that was meant.
        ({"validity": "ever"}, "validity", "'never' was expected"),
        ({"validity": {}}, "validity", "'never' was expected"),
        ({"validity": {"months": 12}}, "validity", "'until' is a required property"),
        ({"validity": {"months": 0, "until": "day"}}, "validity.months", "minimum of 1"),
        ({"validity": VALIDITY | {"until": "week_end"}}, "validity.until", "not one of"),
        ({"validity": VALIDITY | {"years": 1}}, "validity", "'years' was unexpected"),
        ({"validity": VALIDITY | {"date": "2030-01-01"}}, "validity", "'date' was unexpected"),
        (
            {"validity": VALIDITY | {"extra_months": {"gold": 0}}},
            "validity.extra_months.gold",
            "minimum of 1",
        ),
        ({"validity": VALIDITY | {"extra_months": {"Gold": 1}}}, "validity.extra_months", "Gold"),
        ({"validity": {"date": "31.12.2026"}}, "validity.date", "31.12.2026"),
        ({"validity": {"day_of_year": "12-31"}}, "validity", "'years' is a required property"),
        ({"validity": {"day_of_year": "1-1", "years": 1}}, "validity.day_of_year", "match"),
        ({"validity": {"cycle_years": 101}}, "validity.cycle_years", "maximum of 100"),
        ({"validity": {"cycle_years": 1, "until": "day"}}, "validity", "'until' was unexpected"),
        (inactive(counts=["EXPIRE"]), "validity.counts[0]", "'EXPIRE' is not one of"),
        (inactive(counts=["EARN", "EARN"]), "validity.counts", "non-unique"),
        (inactive(counts=[]), "validity.counts", "non-empty"),
        ({"clock": "stopped"}, "clock", "not one of"),
        ({"vesting": {"days": 367}}, "vesting.days", "maximum of 366"),
        ({"vesting": {"event": False}}, "vesting.event", "True was expected"),
        ({"vesting": {"days": 1, "event": True}}, "vesting", "valid under each of"),
        ({"vesting": {"categories": {"parts": {"days": 1}}}}, "vesting", "not valid under any"),
        (
            {"vesting": {"days": 0, "categories": {"parts": {}}}},
            "vesting.categories.parts",
            "non-empty",
        ),
        (
            {"vesting": {"days": 0, "categories": {"Parts": {"days": 1}}}},
            "vesting.categories",
            "Parts",
        ),
        ({"notices": {"before": []}}, "notices.before", "non-empty"),
        (
            {"notices": {"before": [{"days": n} for n in range(1, 12)]}},
            "notices.before",
            "too long",
        ),
        ({"notices": {"before": [{"days": 7}, {"days": 7}]}}, "notices.before", "non-unique"),
        ({"notices": {"before": [{"months": 1, "days": 1}]}}, "notices.before[0]", "too many"),
        ({"notices": {"before": [{"weeks": 1}]}}, "notices.before[0]", "'weeks' was unexpected"),
        ({"notices": {"required": "yes"}}, "notices.required", "'boolean'"),
        ({"notices": {"extension_days": 0}}, "notices.extension_days", "minimum of 1"),
        ({"reinstatement_days": -1}, "reinstatement_days", "minimum of 0"),
        ({"holds": {"minutes": 10_081}}, "holds.minutes", "maximum of 10080"),
        ({"orders": {"pick_days": 0}}, "orders.pick_days", "minimum of 1"),
        ({"orders": {"return_days": 367}}, "orders.return_days", "maximum of 366"),
        ({"orders": {"collect_days": 1.5}}, "orders.collect_days", "not of type"),
        ({"orders": {"days": 3}}, "orders", "'days' was unexpected"),
        ({"bills": {}}, "bills", "'share' is a required property"),
        ({"bills": {"share": 101}}, "bills.share", "maximum of 100"),
        (
            {"bills": {"share": 50, "points_min": 10, "points_max": 9}},
            "bills.points_max",
            "fewer than the least",
        ),
        ({"adjustment_limit": -1}, "adjustment_limit", "minimum of 0"),
        ({"adjustment_limit": "none"}, "adjustment_limit", "not of type"),
        (limits(), "transfers.limits", "non-empty"),
        (limits({"days": 1}), "transfers.limits[0]", "not have enough properties"),
        (limits({"count": 1, "points": 1}), "transfers.limits[0]", "'days' is a required property"),
        (limits({"days": 1, "count": 0}), "transfers.limits[0].count", "minimum of 1"),
        ({"funding": []}, "funding", "non-empty"),
        (funding("100%"), "funding[0].share", "match"),
        (funding("33.333", "66.67"), "funding[0].share", "match"),
        (funding("0", "100"), "funding[0].share", "match"),
        (funding("-1", "101"), "funding[0].share", "match"),
        ({"funding": [{"payer": "a b", "share": "100"}]}, "funding[0].payer", "match"),
        (
            {"funding": [{"payer": "a", "share": "100", "budget": "x" * 65}]},
            "funding[0].budget",
            "too long",
        ),
        # The sense.
        ({"validity": {"day_of_year": "02-30", "years": 1}}, "validity.day_of_year", "“02-30”"),
        ({"validity": {"day_of_year": "13-01", "years": 1}}, "validity.day_of_year", "“13-01”"),
        ({"validity": {"day_of_year": "00-10", "years": 1}}, "validity.day_of_year", "“00-10”"),
        ({"validity": {"date": "2026-02-29"}}, "validity.date", "is not a 'date'"),
        ({"validity": {"date": "1899-12-31"}}, "validity.date", "before 1900-01-01"),
        (
            {"validity": VALIDITY, "vesting": {"days": 29}},
            "vesting.days",
            "points may lapse after 28 days, before they could be spent",
        ),
        (
            {"validity": VALIDITY | {"months": 12}, "vesting": {"days": 366}},
            "vesting.days",
            "after 365 days",
        ),
        (
            {
                "validity": VALIDITY,
                "vesting": {"days": 0, "categories": {"a": {"days": 28}, "b": {"days": 29}}},
            },
            "vesting.categories.b.days",
            "after 28 days",
        ),
        (
            limits({"days": 7, "count": 1}, {"days": 7, "points": 9}),
            "transfers.limits",
            "two limits for 7 days",
        ),
        (funding("99.99"), "funding", "the shares add up to 99.99, not to 100"),
        (funding("60", "40.01"), "funding", "add up to 100.01, not to 100"),
        (funding("150"), "funding", "add up to 150, not to 100"),
        (
            {"funding": [{"payer": "store", "share": "50"}, {"payer": "store", "share": "50"}]},
            "funding",
            "“store” twice",
        ),
        (
            {"funding": [{"payer": "brand", "share": "50", "budget": "A"}] * 2},
            "funding",
            "“brand” twice with the budget “A”",
        ),
        ({"expiry": "never"}, "", "'expiry' was unexpected"),
    ],
)
def test_refuses_beside_the_place_and_with_the_reason(policies, where, why):
    with translation.override("en"), pytest.raises(documents.InvalidProgramme) as refusal:
        documents.validate(document(**policies))

    assert refusal.value.details["where"] == f"$.policies.{where}".rstrip(".")
    assert why.lower() in refusal.value.details["why"].lower()


@pytest.mark.parametrize(
    "policies",
    [
        {"validity": {"day_of_year": "02-29", "years": 1}},
        {"validity": {"date": "2026-07-01"}},
        {"validity": VALIDITY, "vesting": {"days": 28}},
        {"validity": VALIDITY, "vesting": {"event": True}},
        {"validity": "never", "vesting": {"days": 366}},
        {"notices": {"before": [{"days": 7}, {"months": 7}]}},
        {
            "funding": [
                {"payer": "brand", "share": "0.01", "budget": "A"},
                {"payer": "brand", "share": "99.99", "budget": "B"},
            ]
        },
        funding("33.3", "33.30", "33.4"),
        {"adjustment_limit": None},
        {"adjustment_limit": 0},
    ],
)
def test_takes_what_comes_close(policies):
    documents.validate(document(valid_from="2026-07-01", **policies))


@pytest.mark.django_db
@pytest.mark.parametrize("block", range(2))
def test_the_books_examples_are_read_and_written_letter_by_letter(block):
    blocks = re.findall(r"```yaml\n(policies:\n.*?)```", BOOK.read_text(), re.DOTALL)
    example = re.sub(r" +#.*", "", blocks[block])
    written = document(**yaml.safe_load(example)["policies"])

    operations.load(document=written, published_at=datetime(2026, 6, 15, tzinfo=UTC))

    exported = documents.render(queries.export(Version.objects.get()))
    assert example in exported


def test_a_file_from_before_the_newer_policies_means_the_same():
    found = documents.parse(PLAIN.read_text())["policies"]

    assert set(found) == {"validity", "rounding", "return_after_spending"}
    Policies.parse(found)
