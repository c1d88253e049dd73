"""What members are told of their rights: of new ones, and of those about to lapse."""

from datetime import UTC, date, datetime

import pytest
from django.utils.timezone import localdate

from benefits import changes, operations
from benefits.nightly.rights import warn_of_lapse
from messaging import templates
from messaging.models import Message
from points.queries import start_of_day
from tests.benefits.plan import always, deliver, night, on, publish, service

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SOON = datetime(2100, 1, 1, tzinfo=UTC)


def granted_today(of):
    """As somebody who won the tier today."""
    day = localdate()
    operations.grant(member_ids=[of.id], day=day, at=start_of_day(day))


@pytest.fixture
def of():
    publish(service("wash", "year", t1=2), service("tea", "year", t1=1), always("tow", "t1"))
    return on("t1", since=localdate().replace(month=1, day=1).isoformat())


def news():
    return [
        (each.member_id, [tuple(right[1:]) for right in each.variables["rights"]])
        for each in changes.granted(LONG_AGO, SOON, 100)
    ]


class TestNewOnes:
    def test_are_told_together(self, of):
        granted_today(of)

        assert news() == [(of.id, [("tea", 1), ("wash", 2)])]

    def test_are_not_told_once_used_or_when_they_are_history(self, of):
        operations.grant(
            member_ids=[of.id], day=date(2026, 1, 5), at=datetime(2020, 1, 5, tzinfo=UTC)
        )

        assert news() == []

    def test_what_was_used_meanwhile_is_no_news(self, of):
        granted_today(of)
        deliver(of, "tea", localdate().isoformat())

        assert news() == [(of.id, [("wash", 2)])]

    def test_what_is_made_as_it_is_used_is_none(self, of):
        deliver(of, "tow", localdate().isoformat())

        assert news() == []


class TestAboutToLapse:
    @pytest.fixture
    def of(self):
        publish(service("wash", t1=2), service("tea", t1=1))
        one = on("t1")
        night("2026-07-01")
        return one

    def test_are_told_a_week_before_once(self, of):
        for _twice in range(2):
            warn_of_lapse(day=date(2026, 7, 24))

        (message,) = Message.objects.filter(template="benefits.lapsing")
        assert message.member_id == of.id
        assert [tuple(each[1:]) for each in message.variables["rights"]] == [
            ("tea", 1), ("wash", 2),
        ]  # fmt: skip
        assert message.variables["last_day"] == "2026-07-31"
        assert "× 2" in templates.shown(message.template, message.variables).body

    @pytest.mark.parametrize("day", ["2026-07-23", "2026-07-25"])
    def test_on_no_other_day(self, of, day):
        warn_of_lapse(day=date.fromisoformat(day))

        assert not Message.objects.filter(template="benefits.lapsing").exists()

    def test_without_what_was_used(self, of):
        for _each in range(2):
            deliver(of, "wash", "2026-07-05")
        deliver(of, "tea", "2026-07-05")

        warn_of_lapse(day=date(2026, 7, 24))

        assert not Message.objects.filter(template="benefits.lapsing").exists()
