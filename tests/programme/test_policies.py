"""Decisions beside the rules: how long points live, when they can be spent, who pays for them."""

import calendar
from datetime import date, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from programme.policies import (
    AT_ONCE,
    BY_EVENT,
    NEVER,
    Cycle,
    ForMonths,
    FundingShare,
    Inactivity,
    Lead,
    Notices,
    Policies,
    TransferLimit,
    UntilDate,
    UntilDayOfYear,
    Validity,
    Vest,
    Vesting,
)

LEAST = {
    "validity": "never",
    "rounding": {"mode": "up", "per": "line"},
    "return_after_spending": "refuse",
}
DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))
UNTIL = st.sampled_from(["day", "month_end", "quarter_end", "year_end"])


def parsed(**policies):
    return Policies.parse(LEAST | policies)


def validity(written):
    return parsed(validity=written).validity


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
    rule = validity({"months": months, "until": until})

    assert rule.last_day(date(*earned_on)) == date(*last_day)
    assert rule.account_last_day(date(*earned_on)) is None


def test_never_is_never():
    assert validity("never") == Validity()
    assert Validity().last_day(date(2026, 6, 15)) == NEVER == date.max
    assert Validity().account_last_day(date(2026, 6, 15)) is None


@given(DAYS, st.integers(1, 1200), UNTIL)
def test_a_later_day_never_lapses_sooner(earned_on, months, until):
    rule = ForMonths(months, until)

    last_day = rule.last_day(earned_on)

    assert last_day > earned_on
    assert rule.last_day(earned_on + timedelta(days=1)) >= last_day
    assert ends(last_day, until)


def ends(day, until):
    if until == "day":
        return True
    of_month = day.day == calendar.monthrange(day.year, day.month)[1]
    return of_month and day.month % {"month_end": 1, "quarter_end": 3, "year_end": 12}[until] == 0


class TestExtraMonths:
    RULE = {"months": 12, "until": "month_end", "extra_months": {"gold": 6, "diamond": 12}}

    @pytest.mark.parametrize(
        ("tier", "last_day"),
        [
            ("", date(2027, 6, 30)),
            ("silver", date(2027, 6, 30)),
            ("gold", date(2027, 12, 31)),
            ("diamond", date(2028, 6, 30)),
        ],
    )
    def test_a_tiers_points_live_longer(self, tier, last_day):
        assert validity(self.RULE).last_day(date(2026, 6, 15), tier=tier) == last_day

    def test_the_end_is_sought_after_the_extra_time(self):
        rule = validity({"months": 12, "until": "year_end", "extra_months": {"gold": 1}})

        assert rule.last_day(date(2026, 12, 1), tier="") == date(2027, 12, 31)
        assert rule.last_day(date(2026, 12, 1), tier="gold") == date(2028, 12, 31)

    def test_at_the_calendars_end_it_is_never(self):
        rule = validity({"months": 1200, "until": "day", "extra_months": {"gold": 1200}})

        assert rule.last_day(date(9800, 1, 1), tier="gold") == NEVER


class TestUntilDate:
    RULE = UntilDate(date(2026, 12, 31))

    def test_is_one_day_for_all(self):
        assert validity({"date": "2026-12-31"}) == self.RULE
        assert self.RULE.last_day(date(2020, 2, 29)) == date(2026, 12, 31)
        assert self.RULE.last_day(date(2026, 12, 31)) == date(2026, 12, 31)

    def test_never_lapses_before_the_points_are_there(self):
        assert self.RULE.last_day(date(2027, 1, 1)) == date(2027, 1, 1)


@pytest.mark.parametrize(
    ("day_of_year", "years", "earned_on", "last_day"),
    [
        ("03-31", 1, (2026, 3, 30), (2026, 3, 31)),
        ("03-31", 1, (2026, 3, 31), (2026, 3, 31)),
        ("03-31", 1, (2026, 4, 1), (2027, 3, 31)),
        ("03-31", 2, (2026, 3, 31), (2027, 3, 31)),
        ("03-31", 2, (2026, 4, 1), (2028, 3, 31)),
        ("12-31", 1, (2026, 1, 1), (2026, 12, 31)),
        ("01-01", 1, (2026, 1, 2), (2027, 1, 1)),
        # 29 February is the 28th in common years
        ("02-29", 1, (2026, 2, 28), (2026, 2, 28)),
        ("02-29", 1, (2026, 3, 1), (2027, 2, 28)),
        ("02-29", 1, (2027, 3, 1), (2028, 2, 29)),
        ("02-29", 1, (2028, 2, 29), (2028, 2, 29)),
        ("02-29", 4, (2028, 2, 29), (2031, 2, 28)),
        ("02-29", 1, (2100, 2, 28), (2100, 2, 28)),
        # the calendar's own end
        ("03-31", 1, (9999, 3, 31), (9999, 3, 31)),
        ("03-31", 1, (9999, 4, 1), (9999, 12, 31)),
        ("03-31", 100, (9950, 1, 1), (9999, 12, 31)),
    ],
)
def test_until_a_day_of_the_year(day_of_year, years, earned_on, last_day):
    rule = validity({"day_of_year": day_of_year, "years": years})

    assert rule.last_day(date(*earned_on)) == date(*last_day)


@given(DAYS, st.dates(date(2024, 1, 1), date(2024, 12, 31)), st.integers(1, 100))
def test_n_years_hold_n_such_days(earned_on, day, years):
    rule = UntilDayOfYear(day.month, day.day, years)

    last_day = rule.last_day(earned_on)

    wanted = (day.month, day.day)
    leapless = (2, 28) if wanted == (2, 29) else wanted
    such_days = [
        candidate
        for year in range(earned_on.year, last_day.year + 1)
        for candidate in [
            date(year, *(wanted if calendar.isleap(year) else leapless)),
        ]
        if earned_on <= candidate <= last_day
    ]
    assert len(such_days) == years
    assert such_days[-1] == last_day
    assert rule.last_day(earned_on + timedelta(days=1)) >= last_day


class TestCycle:
    @pytest.mark.parametrize(
        ("years", "first_point", "last_day"),
        [
            (1, (2026, 1, 1), (2026, 12, 31)),
            (1, (2026, 12, 31), (2026, 12, 31)),
            (2, (2026, 12, 31), (2027, 12, 31)),
            (3, (2024, 2, 29), (2026, 12, 31)),
            (100, (9999, 1, 1), (9999, 12, 31)),
        ],
    )
    def test_clears_everything_at_the_end_of_the_nth_calendar_year(
        self, years, first_point, last_day
    ):
        rule = validity({"cycle_years": years})

        assert rule.account_last_day(date(*first_point)) == date(*last_day)
        assert rule.last_day(date(*first_point)) == NEVER

    def test_nothing_moves_its_end(self):
        assert not Cycle(2).rolls
        assert not Cycle(2).counts("EARN")


class TestInactivity:
    @pytest.mark.parametrize(
        ("until", "latest", "last_day"),
        [
            ("day", (2028, 2, 29), (2029, 2, 28)),
            ("month_end", (2027, 2, 1), (2028, 2, 29)),
            ("quarter_end", (2026, 4, 1), (2027, 6, 30)),
            ("year_end", (2026, 1, 1), (2027, 12, 31)),
            ("day", (9999, 1, 2), (9999, 12, 31)),
        ],
    )
    def test_ends_everything_n_months_after_the_latest_activity(self, until, latest, last_day):
        rule = validity({"inactive_months": 12, "until": until})

        assert rule.account_last_day(date(*latest)) == date(*last_day)
        assert rule.last_day(date(*latest)) == NEVER
        assert rule.rolls

    def test_earning_and_redeeming_count_unless_it_says_otherwise(self):
        rule = validity({"inactive_months": 12, "until": "day"})
        other = validity({"inactive_months": 12, "until": "day", "counts": ["ADJUST"]})

        kinds = ["EARN", "REDEEM", "TRANSFER_OUT", "TRANSFER_IN", "ADJUST", "EXPIRE", "REVERSE"]
        assert [kind for kind in kinds if rule.counts(kind)] == ["EARN", "REDEEM"]
        assert [kind for kind in kinds if other.counts(kind)] == ["ADJUST"]

    @given(DAYS, st.integers(1, 1200), UNTIL)
    def test_a_later_activity_never_ends_it_sooner(self, on, months, until):
        rule = Inactivity(months, until)

        last_day = rule.account_last_day(on)

        assert last_day > on
        assert rule.account_last_day(on + timedelta(days=1)) >= last_day
        assert ends(last_day, until)


@pytest.mark.parametrize(
    "rule",
    [Validity(), ForMonths(12), UntilDate(date(2030, 1, 1)), UntilDayOfYear(12, 31, 1)],
)
def test_lots_of_these_end_by_themselves(rule):
    assert not rule.rolls
    assert not rule.counts("EARN")
    assert rule.account_last_day(date(2026, 6, 15)) is None


class TestVesting:
    EARNED_ON = date(2028, 2, 28)

    def test_points_can_be_spent_at_once_unless_it_says_otherwise(self):
        assert parsed().vesting.vests_on(self.EARNED_ON, "labour") == AT_ONCE
        assert parsed(vesting={"days": 0}).vesting.vests_on(self.EARNED_ON, "") == AT_ONCE

    def test_waits_for_days_or_an_event(self):
        after = parsed(vesting={"days": 2}).vesting
        told = parsed(vesting={"event": True}).vesting

        assert after.vests_on(self.EARNED_ON, "") == Vest(pending=True, on=date(2028, 3, 1))
        assert told.vests_on(self.EARNED_ON, "") == BY_EVENT

    def test_a_line_category_has_its_own_wait(self):
        vesting = parsed(
            vesting={
                "days": 14,
                "categories": {
                    "labour": {"days": 0},
                    "vehicle": {"event": True},
                    "parts": {"days": 30},
                },
            }
        ).vesting

        assert vesting.vests_on(self.EARNED_ON, "labour") == AT_ONCE
        assert vesting.vests_on(self.EARNED_ON, "vehicle") == BY_EVENT
        assert vesting.vests_on(self.EARNED_ON, "parts") == Vest(pending=True, on=date(2028, 3, 29))
        assert vesting.vests_on(self.EARNED_ON, "") == Vest(pending=True, on=date(2028, 3, 13))
        assert vesting.vests_on(self.EARNED_ON, "other").on == date(2028, 3, 13)

    def test_a_category_may_wait_when_the_others_do_not(self):
        vesting = parsed(vesting={"days": 0, "categories": {"parts": {"event": True}}}).vesting

        assert vesting.vests_on(self.EARNED_ON, "parts") == BY_EVENT
        assert vesting.vests_on(self.EARNED_ON, "labour") == AT_ONCE

    def test_at_the_calendars_end_it_is_never(self):
        assert Vesting(days=2).vests_on(date(9999, 12, 30)) == Vest(pending=True, on=NEVER)


class TestNotices:
    def test_a_month_and_a_week_before_unless_it_says_otherwise(self):
        assert parsed().notices == parsed(notices={}).notices == Notices()
        assert Notices().before == (Lead(days=30), Lead(days=7))
        assert (Notices().required, Notices().extension_days) == (False, 30)

    def test_reads_its_own(self):
        written = {"before": [{"months": 2}, {"days": 7}], "required": True, "extension_days": 14}

        assert parsed(notices=written).notices == Notices(
            before=(Lead(months=2), Lead(days=7)), required=True, extension_days=14
        )

    @pytest.mark.parametrize(
        ("lead", "last_day", "due"),
        [
            (Lead(days=30), (2026, 12, 31), (2026, 12, 1)),
            (Lead(days=7), (2028, 3, 1), (2028, 2, 23)),
            (Lead(days=366), (2028, 12, 31), (2027, 12, 31)),
            (Lead(months=1), (2026, 12, 31), (2026, 11, 30)),
            (Lead(months=2), (2026, 4, 30), (2026, 2, 28)),
            (Lead(months=2), (2028, 4, 30), (2028, 2, 29)),
            (Lead(months=1), (2026, 2, 28), (2026, 1, 28)),
            (Lead(months=12), (2028, 2, 29), (2027, 2, 28)),
            (Lead(months=12), (1, 6, 1), (1, 1, 1)),
            (Lead(days=366), (1, 6, 1), (1, 1, 1)),
            # What never lapses is never announced.
            (Lead(months=1), (9999, 12, 31), (9999, 12, 31)),
            (Lead(days=1), (9999, 12, 31), (9999, 12, 31)),
        ],
    )
    def test_is_due_so_long_before_the_last_day(self, lead, last_day, due):
        assert lead.day(date(*last_day)) == date(*due)


@pytest.mark.django_db
@settings(suppress_health_check=list(HealthCheck))
@given(DAYS, st.integers(1, 1200))
def test_the_database_counts_months_as_we_do(day, months):
    """The night looks for due notices in SQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (%s::date + make_interval(months => %s))::date,"
            " (%s::date - make_interval(months => %s))::date",
            [day, months, day, months],
        )
        later, earlier = cursor.fetchone()

    assert ForMonths(months).last_day(day) == later
    assert Lead(months=months).day(day) == earlier


class TestTheRest:
    def test_what_a_file_need_not_say(self):
        policies = parsed()

        assert (policies.rounding.mode, policies.rounding.per) == ("up", "line")
        assert policies.return_after_spending == "refuse"
        assert policies.clock_from_activation is False
        assert policies.reinstatement_days == 30
        assert policies.hold_minutes == 15
        assert policies.adjustment_limit is None
        assert policies.transfer_limits is None
        assert policies.funding == (FundingShare("brand", 10_000),)

    def test_what_it_may_say(self):
        policies = parsed(
            clock="activation",
            reinstatement_days=0,
            holds={"minutes": 60},
            adjustment_limit=0,
            transfers={
                "limits": [{"days": 1, "count": 3, "points": 1000}, {"days": 30, "count": 9}]
            },
            funding=[
                {"payer": "brand", "share": "33.33", "budget": "Spring"},
                {"payer": "store", "share": "66.6"},
                {"payer": "D01", "share": "0.07"},
            ],
        )

        assert policies.clock_from_activation is True
        assert policies.reinstatement_days == 0
        assert policies.hold_minutes == 60
        assert policies.adjustment_limit == 0
        assert policies.transfer_limits == (
            TransferLimit(days=1, count=3, points=1000),
            TransferLimit(days=30, count=9, points=None),
        )
        assert policies.funding == (
            FundingShare("brand", 3333, "Spring"),
            FundingShare("store", 6660),
            FundingShare("D01", 7),
        )

    def test_by_default_as_when_written_out(self):
        written = {
            "clock": "earning",
            "vesting": {"days": 0},
            "notices": {
                "before": [{"days": 30}, {"days": 7}],
                "required": False,
                "extension_days": 30,
            },
            "reinstatement_days": 30,
            "holds": {"minutes": 15},
            "orders": {
                "pick_days": 3,
                "send_days": 3,
                "collect_days": 30,
                "arrive_days": 15,
                "return_days": 15,
                "decide_days": 7,
            },
            "adjustment_limit": None,
            "funding": [{"payer": "brand", "share": "100"}],
            "product_identifiers": "any",
            "erasure_days": 15,
            "joining": "open",
        }

        assert parsed(**written) == parsed()
