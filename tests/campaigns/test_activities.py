"""What members do besides buying becomes points, as far as the caps let it (P4)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.activities import UnknownActivity
from campaigns.activity_rules import span
from campaigns.models import Period
from members import operations as members
from members.models import Member
from members.queries import MemberFrozen
from points import operations as points
from points import queries, statements, verification
from points.models import Account, Activity, Entry, PointType
from tests.factories import buy, identity, member, staff
from tests.factories.activities import cap, do, kind, rewarding
from tests.factories.points import NOON
from tests.points.returning import give_back
from tiers.queries import level_code_on

pytestmark = pytest.mark.django_db

# The published example: mission row P4.
CHECK_IN = kind("check-in", 1, once_per="day")
SHARE = kind("share", 2)
EVENT = kind("event", 50, group="event")
CAPS = [
    cap("check-in-year", "check-in", points=365),
    cap("share-period", "share", times=4, per="month_quarter"),
    cap("event-year", "event", times=10),
]
HALF = cap("half", "activities", share="50", of_type="consumption")


def day(number, hour=4, year=2026):
    """The n-th day of a year, at noon in Shanghai."""
    return datetime(year, 1, 1, hour, tzinfo=UTC) + timedelta(days=number - 1)


def sound():
    report = verification.Report()
    for low, high in verification.ranges(size=100_000):
        verification.verify(report=report, low=low, high=high)
    return report.differences == []


class TestAnActivity:
    def test_is_written_down_and_credited_as_activity_points(self):
        version = rewarding(kinds=[EVENT])
        of = identity()

        granted = do(of, "event", reference="E-1")

        assert granted.posted.posting == points.Posting(1, 50)
        activity = Activity.objects.get(pk=granted.posted.activity_id)
        assert (activity.kind, activity.code, activity.points) == ("ACTIVITY", "event", 50)
        assert (activity.version_id, activity.reference) == (version.pk, "E-1")
        assert activity.explanation == granted.explanation
        entry = Entry.objects.get()
        assert (entry.kind, entry.type, entry.points, entry.qualifying) == (
            "EARN",
            "ACTIVITY",
            50,
            0,
        )
        assert entry.activity_id == activity.pk
        assert entry.expires_on == date(2027, 6, 30)
        assert entry.funding_id is not None
        assert queries.entry_of(activity) == entry
        assert sound()

    def test_twice_is_once(self):
        rewarding(kinds=[EVENT], caps=CAPS[2:])
        of = identity()
        first = do(of, "event", reference="E-1")

        again = do(of, "event", reference="E-1")

        assert again.posted.replayed
        assert again.posted.activity_id == first.posted.activity_id
        assert again.posted.posting == points.Posting(1, 50, replayed=True)
        assert again.explanation == first.explanation
        assert Activity.objects.count() == Entry.objects.count() == 1

    def test_without_limits_is_also_once(self):
        rewarding(kinds=[EVENT])
        of = identity()
        first = do(of, "event", reference="E-1")

        assert do(of, "event", reference="E-1").posted.replayed
        with pytest.raises(points.ReferenceReused):
            do(of, "event", reference="E-1", at=NOON + timedelta(hours=1))
        assert Account.objects.get().balance == first.explanation["points"] == 50

    @pytest.mark.parametrize("caps", [[], CAPS[2:]])
    def test_under_a_reference_of_another_is_refused(self, caps):
        rewarding(kinds=[EVENT, SHARE], caps=caps)
        alice, bob = identity(), identity()
        do(alice, "event", reference="E-1")

        for of, code in ((bob, "event"), (alice, "share")):
            with pytest.raises(points.ReferenceReused):
                do(of, code, reference="E-1")
        assert Entry.objects.count() == 1

    def test_may_be_numbered_as_a_purchase_is(self):
        rewarding(kinds=[EVENT])
        of = identity()
        do(of, "event", reference="1001")

        posted = buy(of, "100.00", reference="1001")

        assert posted.posting == points.Posting(2, 60)

    def test_nobody_has_heard_of_is_refused(self):
        rewarding(kinds=[EVENT])

        with pytest.raises(UnknownActivity):
            do(identity(), "skydiving")
        assert not Activity.objects.exists()

    def test_of_a_frozen_member_is_refused_but_a_repeat_answered(self):
        rewarding(kinds=[EVENT], caps=CAPS[2:])
        who = member()
        do(identity(who), "event", reference="E-1")
        members.freeze(member_id=who.pk, by=staff(), reason="")
        frozen = identity(who)

        assert do(frozen, "event", reference="E-1").posted.replayed
        with pytest.raises(MemberFrozen):
            do(frozen, "event", reference="E-2")
        assert Activity.objects.count() == 1

    def test_worth_nothing_is_written_down_all_the_same(self):
        rewarding(kinds=[kind("survey", 0)])

        granted = do(identity(), "survey")

        assert granted.posted.posting is None
        assert Activity.objects.get().points == 0

    def test_of_a_pre_registered_member_waits_for_the_activation(self):
        rewarding(kinds=[EVENT], policies={"clock": "activation"})

        do(identity(active=False), "event")

        assert Entry.objects.get().expires_on == date(9999, 12, 31)

    def test_is_no_purchase_on_the_statement(self):
        rewarding(kinds=[EVENT])
        of = identity()

        do(of, "event")

        [line] = statements.lines(
            list(queries.statement(of.id)), member=Member.objects.get(pk=of.id)
        )
        assert (line.title, line.sentences) == (PointType.ACTIVITY.label, ("event",))

    def test_costs_four_statements_however_many_caps_there_are(self):
        rewarding(kinds=[EVENT, CHECK_IN, SHARE], caps=[*CAPS, HALF])
        of = identity()
        buy(of, "100000.00")
        do(of, "event")
        do(of, "check-in")

        with CaptureQueriesContext(connection) as made:
            do(of, "share")

        told = [query["sql"] for query in made if "SAVEPOINT" not in query["sql"]]
        # The test's source asks for its store; who pays is known once it is committed.
        told = [sql for sql in told if "partners_" not in sql and "points_funding" not in sql]
        assert len(told) == 4, told


class TestCaps:
    def test_a_whole_year_as_published(self):
        """P4: 365 check-ins, 192 shares for 384 points and ten events for 500."""
        rewarding(kinds=[CHECK_IN, SHARE, EVENT], caps=CAPS)
        of = identity()

        given = {"check-in": 0, "share": 0, "event": 0}
        for number in range(1, 367):  # 2024 is a leap year
            for code in ("check-in", "check-in"):
                given[code] += do(of, code, at=day(number, year=2024)).explanation["points"]
            given["share"] += do(of, "share", at=day(number, year=2024)).explanation["points"]
        for number in range(1, 13):
            given["event"] += do(of, "event", at=day(number, year=2024)).explanation["points"]

        assert given == {"check-in": 365, "share": 384, "event": 500}
        assert Activity.objects.filter(code="share", points__gt=0).count() == 192
        assert Account.objects.get().balance == 365 + 384 + 500
        assert sound()

    def test_say_what_they_cut_off_and_why(self):
        rewarding(kinds=[EVENT], caps=[cap("year", "event", points=120)])
        of = identity()
        do(of, "event")
        do(of, "event")

        partly = do(of, "event")
        nothing = do(of, "event")

        assert partly.posted.points == 20
        assert partly.explanation["worth"] == 50
        assert partly.explanation["cut"] == [
            {
                "by": "year",
                "reason": "points",
                "points": 30,
                "limit": 120,
                "used": 100,
                "per": "year",
            }
        ]
        assert nothing.posted.posting is None
        assert nothing.explanation["cut"][0]["points"] == 50
        assert Account.objects.get().balance == 120

    def test_count_by_the_day_it_was_done_not_by_the_day_it_was_told(self):
        rewarding(kinds=[EVENT], caps=[cap("year", "event", times=1)])
        of = identity()
        late = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)  # a minute to midnight in Shanghai
        next_year = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)

        assert do(of, "event", at=next_year).posted.points == 50
        assert do(of, "event", at=late).posted.points == 50
        assert do(of, "event", at=late).posted.points == 0
        assert do(of, "event", at=next_year).posted.points == 0

    def test_of_several_codes_are_shared_by_them(self):
        rewarding(kinds=[EVENT, SHARE], caps=[cap("both", "event", "share", points=51)])
        of = identity()

        assert do(of, "event").posted.points == 50
        assert do(of, "share").posted.points == 1
        assert do(of, "share").posted.points == 0

    def test_of_all_activities_count_those_of_older_versions_too(self):
        rewarding(kinds=[EVENT])
        of = identity()
        do(of, "event")
        rewarding(
            kinds=[SHARE], caps=[cap("all", "activities", points=51)], valid_from="2026-06-15"
        )

        assert do(of, "share").posted.points == 1

    def test_are_each_members_own(self):
        rewarding(kinds=[EVENT], caps=[cap("one", "event", times=1, per="lifetime")])

        assert do(identity(), "event").posted.points == 50
        assert do(identity(), "event").posted.points == 50

    def test_once_a_day_the_second_is_told_and_not_counted(self):
        rewarding(kinds=[CHECK_IN])
        of = identity()
        do(of, "check-in")

        second = do(of, "check-in", at=NOON + timedelta(hours=1))

        assert second.posted.points == 0
        assert second.explanation["cut"] == [
            {"by": "check-in", "reason": "once", "points": 1, "per": "day"}
        ]
        assert do(of, "check-in", at=NOON + timedelta(days=1)).posted.points == 1


class TestTheRelativeCap:
    def test_leaves_half_of_what_was_earned_by_buying_in_the_year(self):
        rewarding(kinds=[EVENT], caps=[HALF])
        of = identity()

        none = do(of, "event")
        buy(of, "1500.00")  # 150 points
        first = do(of, "event")
        second = do(of, "event")
        third = do(of, "event")

        assert [each.posted.points for each in (none, first, second, third)] == [0, 50, 25, 0]
        assert second.explanation["cut"] == [
            {
                "by": "half",
                "reason": "share",
                "points": 25,
                "limit": 75,
                "used": 50,
                "per": "year",
                "consumption": 150,
            }
        ]

    def test_is_freed_as_consumption_grows(self):
        rewarding(kinds=[EVENT], caps=[HALF])
        of = identity()
        buy(of, "1000.00")
        do(of, "event")
        assert do(of, "event").posted.points == 0

        buy(of, "400.00")

        assert do(of, "event").posted.points == 20

    def test_counts_what_was_kept_of_purchases(self):
        rewarding(kinds=[EVENT], caps=[HALF])
        of = identity()
        buy(of, "1000.00", reference="P1")
        give_back("P1", "600.00", reference="R1")

        assert do(of, "event", at=NOON + timedelta(days=2)).posted.points == 20

    def test_counts_the_same_year_only(self):
        rewarding(kinds=[EVENT], caps=[HALF])
        of = identity()
        buy(of, "1000.00", at=day(1, year=2025))

        assert do(of, "event").posted.points == 0

    def test_does_not_keep_a_check_in_that_it_cut_off_from_counting_later_in_the_day(self):
        rewarding(kinds=[CHECK_IN], caps=[HALF])
        of = identity()
        assert do(of, "check-in").posted.points == 0

        buy(of, "20.00")

        assert do(of, "check-in").posted.points == 1
        assert do(of, "check-in").posted.points == 0


class TestTiers:
    """What is done counts towards tiers as its group says, once in its period."""

    LEVELS = {
        "levels": [
            {"code": "regular", "names": {"zh-hans": "普通"}, "color": "#9aa0a6"},
            {
                "code": "silver",
                "names": {"zh-hans": "银卡"},
                "color": "#c0c0c0",
                "upgrade": {"measure": "interactions", "at_least": "2"},
            },
        ],
        "window": "calendar_year",
        "downgrade": "base",
    }

    def tier_after(self, *codes):
        rewarding(kinds=[CHECK_IN, SHARE, EVENT], tiers=self.LEVELS)
        of = identity()
        for code in codes:
            do(of, code)
        return level_code_on(of.id, NOON.date())

    def test_interactions_raise_a_member_at_once(self):
        assert self.tier_after("check-in", "share") == "silver"

    def test_what_was_done_before_in_its_period_does_not_count(self):
        assert self.tier_after("check-in", "check-in") == "regular"

    def test_events_are_no_interactions(self):
        assert self.tier_after("check-in", "event", "event") == "regular"


class TestSpan:
    @pytest.mark.parametrize(
        ("per", "on", "since", "until"),
        [
            (Period.DAY, date(2024, 2, 29), date(2024, 2, 29), date(2024, 3, 1)),
            (Period.WEEK, date(2026, 6, 15), date(2026, 6, 15), date(2026, 6, 22)),
            (Period.WEEK, date(2026, 6, 21), date(2026, 6, 15), date(2026, 6, 22)),
            (Period.MONTH_QUARTER, date(2026, 2, 7), date(2026, 2, 1), date(2026, 2, 8)),
            (Period.MONTH_QUARTER, date(2026, 2, 8), date(2026, 2, 8), date(2026, 2, 15)),
            (Period.MONTH_QUARTER, date(2026, 12, 31), date(2026, 12, 22), date(2027, 1, 1)),
            (Period.MONTH, date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
            (Period.YEAR, date(2026, 12, 31), date(2026, 1, 1), date(2027, 1, 1)),
            (Period.LIFETIME, date(2026, 12, 31), None, None),
        ],
    )
    def test_is_the_period_a_day_lies_in(self, per, on, since, until):
        found = span(per, on)

        assert (found.since, found.until) == (since, until)
