"""Decisions beside the rules: how long points live, how they are rounded."""

import calendar
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programme.policies import NEVER, Policies, Validity


@pytest.mark.parametrize(
    ("earned_on", "months", "until", "last_day"),
    [
        # n months on, the same day, or the month's last when it has no such day
        ((2026, 6, 15), 12, "day", (2027, 6, 15)),
        ((2026, 1, 31), 1, "day", (2026, 2, 28)),
        ((2028, 1, 31), 1, "day", (2028, 2, 29)),
        ((2028, 2, 29), 12, "day", (2029, 2, 28)),
        ((2028, 2, 29), 48, "day", (2032, 2, 29)),
        ((2027, 2, 28), 12, "day", (2028, 2, 28)),
        ((2026, 12, 31), 2, "day", (2027, 2, 28)),
        # to the end of the month in which that falls
        ((2026, 6, 1), 12, "month_end", (2027, 6, 30)),
        ((2026, 6, 30), 12, "month_end", (2027, 6, 30)),
        ((2027, 2, 1), 12, "month_end", (2028, 2, 29)),
        ((2026, 12, 1), 1, "month_end", (2027, 1, 31)),
        ((2026, 11, 30), 13, "month_end", (2027, 12, 31)),
        # of the quarter
        ((2026, 1, 1), 12, "quarter_end", (2027, 3, 31)),
        ((2026, 3, 31), 12, "quarter_end", (2027, 3, 31)),
        ((2026, 4, 1), 12, "quarter_end", (2027, 6, 30)),
        ((2026, 9, 30), 1, "quarter_end", (2026, 12, 31)),
        ((2026, 12, 31), 1, "quarter_end", (2027, 3, 31)),
        # of the year
        ((2026, 1, 1), 12, "year_end", (2027, 12, 31)),
        ((2026, 12, 31), 12, "year_end", (2027, 12, 31)),
        ((2026, 12, 1), 1, "year_end", (2027, 12, 31)),
        ((2026, 11, 30), 1, "year_end", (2026, 12, 31)),
        # the calendar's own end
        ((9998, 6, 15), 12, "day", (9999, 6, 15)),
        ((9999, 6, 15), 1200, "day", (9999, 12, 31)),
        ((9999, 12, 31), 1, "month_end", (9999, 12, 31)),
        ((9999, 1, 1), 1, "year_end", (9999, 12, 31)),
        ((1, 1, 1), 1, "day", (1, 2, 1)),
    ],
)
def test_last_day(earned_on, months, until, last_day):
    assert Validity(months, until).last_day(date(*earned_on)) == date(*last_day)


def test_never_is_never():
    assert Validity(None).last_day(date(2026, 6, 15)) == NEVER == date.max


@settings(derandomize=True, deadline=None)
@given(
    st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    st.integers(1, 1200),
    st.sampled_from(["day", "month_end", "quarter_end", "year_end"]),
)
def test_a_later_day_never_lapses_sooner(earned_on, months, until):
    validity = Validity(months, until)

    last_day = validity.last_day(earned_on)

    assert last_day > earned_on
    assert validity.last_day(earned_on + timedelta(days=1)) >= last_day
    if until != "day":
        assert last_day.day == calendar.monthrange(last_day.year, last_day.month)[1]
    if until == "quarter_end":
        assert last_day.month % 3 == 0
    if until == "year_end":
        assert last_day.month == 12


def test_reads_what_the_schema_accepts():
    document = {
        "validity": "never",
        "rounding": {"mode": "up", "per": "line"},
        "return_after_spending": "refuse",
    }

    policies = Policies.parse(document)

    assert policies.validity == Validity(None)
    assert (policies.rounding.mode, policies.rounding.per) == ("up", "line")
    assert policies.return_after_spending == "refuse"
