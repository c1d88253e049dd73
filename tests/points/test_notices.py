"""P6: notices of expiry, and no expiry without one."""

from datetime import date, timedelta

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from members import operations as members
from messaging import operations as messaging
from messaging import templates
from messaging.models import Message
from points import nightly, operations, queries
from points.models import Entry, Lot, Notice
from programme.policies import Lead, Notices
from tests.factories import identity, lot, rulebook, staff
from tests.factories.points import NOON

DAY = date(2026, 7, 1)


def days(n):
    return DAY + timedelta(days=n)


def announced(of):
    return [
        (notice.lead, notice.last_day, notice.points, notice.lot_seq)
        for notice in Notice.objects.filter(member_id=of.id).order_by("last_day", "pk")
    ]


class TestWindows:
    def test_each_last_day_belongs_to_the_shortest_lead_that_is_due(self):
        notices = Notices(before=(Lead(months=2), Lead(days=30), Lead(days=7)))

        due = operations.windows(notices, day=DAY)

        assert [(window.lead, window.first, window.last) for window in due] == [
            ("7d", DAY, days(7)),
            ("30d", days(8), days(30)),
            ("2m", days(31), date(2026, 9, 1)),
        ]

    @given(
        day=st.dates(date(2023, 1, 1), date(2030, 1, 1)),
        lead=st.builds(Lead, months=st.integers(0, 14), days=st.integers(0, 400)),
    )
    def test_the_way_back_finds_the_latest_last_day_that_is_due(self, day, lead):
        latest = lead.latest(day)

        assert lead.day(latest) <= day
        assert lead.day(latest + timedelta(days=1)) > day

    def test_months_end_with_their_month(self):
        lead = Lead(months=1)

        # The notices of 29, 30 and 31 March are all due on the last of February.
        assert lead.latest(date(2026, 2, 28)) == date(2026, 3, 31)


@pytest.mark.django_db
class TestAnnounce:
    def test_tells_what_lapses_when_and_how_much(self):
        rulebook()
        of = identity()
        lot(of, 40, expires_on=days(30))
        lot(of, 2, expires_on=days(30))
        lot(of, 9, expires_on=days(31))

        report = nightly.announce_expiry(day=DAY)

        assert report == {"notices": 1, "points": 42}
        assert announced(of) == [("30d", days(30), 42, [1, 2])]
        message = Message.objects.get(member_id=of.id)
        with translation.override("en"):
            text = templates.template(message.template).fill(message.variables)
        assert text.subject == "Points that lapse after July 31, 2026: 42"
        assert message.variables == {"points": 42, "last_day": days(30).isoformat()}
        assert message.delivered_at == queries.start_of_day(DAY)

    def test_a_second_night_tells_nothing_twice(self):
        rulebook()
        of = identity()
        lot(of, 40, expires_on=days(30))
        nightly.announce_expiry(day=DAY)

        assert nightly.announce_expiry(day=DAY) == {"notices": 0, "points": 0}
        assert nightly.announce_expiry(day=days(1)) == {"notices": 0, "points": 0}
        assert nightly.announce_expiry(day=days(23)) == {"notices": 1, "points": 40}
        assert [each[0] for each in announced(of)] == ["30d", "7d"]

    def test_points_that_came_late_are_announced_by_themselves(self):
        rulebook()
        of = identity()
        lot(of, 40, expires_on=days(30))
        nightly.announce_expiry(day=DAY)
        lot(of, 5, expires_on=days(30))

        nightly.announce_expiry(day=days(2))

        assert announced(of) == [("30d", days(30), 40, [1]), ("30d", days(30), 5, [2])]

    def test_after_missed_nights_only_the_nearest_notice_is_sent(self):
        rulebook()
        of = identity()
        lot(of, 40, expires_on=days(4))

        nightly.announce_expiry(day=DAY)

        assert [each[0] for each in announced(of)] == ["7d"]

    def test_an_account_that_lapses_as_a_whole_is_announced_with_all_its_lots(self):
        rulebook()
        of = identity()
        operations.earn(
            member=of, points=30, at=NOON, expires_on=date.max, reference="C",
            source=operations.Source(issuer_id=1), lapses_on=days(30),
        )  # fmt: skip

        nightly.announce_expiry(day=DAY)

        assert announced(of) == [("30d", days(30), 30, [1])]

    def test_points_that_never_lapse_are_not_announced(self):
        rulebook()
        lot(identity(), 40, expires_on=date.max)

        assert nightly.announce_expiry(day=DAY)["notices"] == 0


@pytest.mark.django_db
class TestNoNoticeNoExpiry:
    @pytest.fixture(autouse=True)
    def _demanded(self):
        rulebook(notices={"before": [{"days": 7}], "required": True, "extension_days": 20})

    def night(self, day):
        nightly.announce_expiry(day=day)
        kept = nightly.keep_unnoticed_lots(day=day)
        expired = nightly.expire_due_lots(day=day)
        return kept["points"], expired["points"]

    def test_what_was_announced_in_time_lapses(self):
        of = identity()
        lot(of, 40, expires_on=days(7))

        nights = [self.night(days(n)) for n in range(10)]

        assert [night for night in nights if night != (0, 0)] == [(0, 40)]
        assert nights[8] == (0, 40)

    def test_what_was_not_announced_is_kept_told_and_lapses_later(self):
        of = identity()
        lot(of, 40, expires_on=days(0))

        # Its notice would come on the very last day, which is too late.
        assert self.night(DAY) == (40, 0)

        assert Lot.objects.get(member_id=of.id).expires_on == days(20)
        entry = Entry.objects.get(member_id=of.id, kind="EXTEND")
        assert (entry.lot_points, entry.lot_expires_on) == ([-40, 40], [DAY, days(20)])
        assert queries.spendable_points(of.id, on=days(5)) == 40
        assert [self.night(days(n)) for n in range(1, 21)] == [(0, 0)] * 20
        assert self.night(days(21)) == (0, 40)

    def test_a_notice_that_did_not_arrive_is_none(self):
        of = identity(active=False)
        lot(of, 40, expires_on=days(7))

        nights = [self.night(days(n)) for n in range(9)]

        assert nights[7] == (40, 0)
        assert Notice.objects.filter(member_id=of.id).count() == 1

    def test_one_who_can_read_it_later_is_told_then(self):
        of = identity(active=False)
        lot(of, 40, expires_on=days(7))
        self.night(DAY)
        members.activate(member_id=of.id, activated_at=NOON, by=staff())
        messaging.deliver_in_app(low=of.id, high=of.id, at=queries.start_of_day(days(3)))

        nights = [self.night(days(n)) for n in range(1, 9)]

        assert nights[-1] == (0, 40)

    def test_a_whole_account_is_kept_too(self):
        of = identity(active=False)
        operations.earn(
            member=of, points=30, at=NOON, expires_on=date.max, reference="C",
            source=operations.Source(issuer_id=1), lapses_on=DAY,
        )  # fmt: skip

        assert self.night(DAY) == (30, 0)
        assert queries.spendable_points(of.id, on=days(20)) == 30
        assert queries.spendable_points(of.id, on=days(21)) == 0

    def test_without_the_demand_nothing_is_kept(self):
        rulebook(notices={"before": [{"days": 7}]}, valid_from="2026-06-30")
        lot(identity(), 40, expires_on=days(-1))

        assert self.night(DAY) == (0, 40)
