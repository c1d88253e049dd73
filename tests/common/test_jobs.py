"""Declaring a job of the night, and the ranges there is work for."""

from datetime import date

import pytest

from common import jobs
from common.models import User

pytestmark = pytest.mark.django_db

DAY = date(2026, 7, 1)


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(jobs, "_register", jobs._Register())


def declare(work, *, name="room.job", order=10, ranges=((1, 2), (3, 4)), **options):
    options = {"title": name, "figures": {"ids": "Ids"}, "plan": lambda day: ranges} | options
    return jobs.nightly(name=name, order=order, **options)(work)


class TestDeclaring:
    def test_the_night_has_an_order(self):
        later = declare(lambda **_: {"ids": 1}, name="room.later", order=20)
        first = declare(lambda **_: {"ids": 1}, name="room.first", order=10)

        assert jobs.nightly_jobs() == [first, later]
        assert jobs.find("room.later") is later
        assert jobs.find("room.gone") is None

    def test_called_it_does_a_day_and_adds_up(self):
        seen = []
        job = declare(
            lambda *, day, low, high: seen.append((day, low, high)) or {"ids": high - low + 1}
        )

        assert job(day=DAY) == {"ids": 4}
        assert seen == [(DAY, 1, 2), (DAY, 3, 4)]

    def test_without_work_its_figures_are_nought(self):
        assert declare(lambda **_: {}, ranges=())(day=DAY) == {"ids": 0}

    def test_findings_come_together_up_to_a_hundred(self):
        many = declare(lambda *, day, low, high: {"ids": 1, "findings": [f"{low}"] * 60})

        report = many(day=DAY)

        assert report["ids"] == 2
        assert report["findings"] == ["1"] * 60 + ["3"] * 40

    def test_figures_that_were_not_declared_are_a_fault(self):
        with pytest.raises(AssertionError, match="other figures"):
            declare(lambda **_: {"members": 1})(day=DAY)


class TestMembersIn:
    def ranges(self, *members):
        listed = ", ".join(f"({member})" for member in members) or "(NULL::bigint)"
        plan = jobs.members_in(
            f"SELECT member_id FROM (VALUES {listed}) AS found (member_id)"
            " WHERE member_id IS NOT NULL AND %(day)s = '2026-07-01'"
        )
        return list(plan(DAY))

    def test_cuts_the_members_that_are_there(self, settings):
        settings.NIGHT_CHUNK_MEMBERS = 2

        assert self.ranges(3, 900, 1, 7, 8) == [(1, 3), (7, 8), (900, 900)]

    def test_nobody_makes_none(self):
        assert self.ranges() == []


class TestIdsIn:
    def test_cuts_what_lies_between_the_lowest_and_the_highest(self):
        ids = sorted(User.objects.create(username=name).pk for name in "abcdef")
        plan = jobs.ids_in(lambda day: User.objects.filter(pk__gt=ids[0]), size=2)

        assert list(plan(DAY)) == [
            (ids[1], ids[1] + 1),
            (ids[3], ids[3] + 1),
            (ids[5], ids[5]),
        ]

    def test_nothing_makes_none(self):
        assert list(jobs.ids_in(lambda day: User.objects.none(), size=2)(DAY)) == []
