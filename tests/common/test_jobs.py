"""Nightly jobs: once a day, resumable, by any number of workers."""

from datetime import UTC, date, datetime, timedelta

import pytest

from common import jobs
from common.models import JobChunk, JobRun

pytestmark = pytest.mark.django_db

DAY = date(2026, 7, 1)
NOW = datetime(2026, 6, 30, 16, 10, tzinfo=UTC)


def run(job=lambda: {"done": 1}, *, now=NOW, day=DAY, name="room.job"):
    return jobs.run_for_day(name=name, day=day, now=now, job=job)


class TestRunForDay:
    def test_is_done_once_a_day(self):
        assert run() is True
        assert run() is False
        assert run(day=date(2026, 7, 2)) is True
        assert run(name="room.other") is True

        assert JobRun.objects.get(name="room.job", day=DAY).report == {"done": 1}

    def test_what_somebody_is_doing_is_left_to_them(self):
        inner = []

        assert run(lambda: inner.append(run()) or {}) is True
        assert inner == [False]

    def test_a_claim_goes_stale(self):
        JobRun.objects.create(name="room.job", day=DAY, claimed_at=NOW)

        assert run(now=NOW + jobs.STALE_AFTER) is False
        assert run(now=NOW + jobs.STALE_AFTER + timedelta(seconds=1)) is True

    def test_a_failure_frees_the_claim_and_is_written_down(self):
        def fails():
            raise ValueError("x" * 3000)

        with pytest.raises(ValueError, match="xxx"):
            run(fails)

        failed = JobRun.objects.get()
        assert (failed.claimed_at, failed.finished_at) == (None, None)
        assert failed.error.startswith("ValueError('xxx")
        assert run() is True
        done = JobRun.objects.get()
        assert (done.error, done.report) == ("", {"done": 1})

    def test_a_worker_that_was_stopped_leaves_its_claim_to_go_stale(self):
        def stopped():
            raise SystemExit

        with pytest.raises(SystemExit):
            run(stopped)

        assert run() is False
        assert run(now=NOW + timedelta(hours=2)) is True


MEMBERS = "SELECT unnest(%(members)s::bigint[]) AS member_id"


def plan(members, size=2):
    jobs.plan_chunks(
        job="room.job", run_key="2026-07-01", members=MEMBERS,
        parameters={"members": members}, size=size,
    )  # fmt: skip


def chunks():
    return list(JobChunk.objects.order_by("low").values_list("low", "high"))


def work(done):
    return jobs.work_chunks(
        job="room.job",
        run_key="2026-07-01",
        work=lambda low, high: done.append((low, high)) or high - low + 1,
    )


class TestChunks:
    def test_cut_the_members_that_are_there(self):
        plan([3, 900, 1, 7, 8])

        assert chunks() == [(1, 3), (7, 8), (900, 900)]

    def test_nobody_makes_none(self):
        plan([])

        assert chunks() == []
        assert work([]) == 0

    def test_are_done_in_order_and_once(self):
        plan([1, 2, 3, 4, 5])
        done = []

        assert work(done) == 5
        assert work(done) == 0
        assert done == [(1, 2), (3, 4), (5, 5)]
        assert list(JobChunk.objects.order_by("low").values_list("rows", flat=True)) == [2, 2, 1]

    def test_that_failed_is_left_and_those_before_it_are_not(self):
        plan([1, 2, 3, 4, 5])
        done = []

        def fails_at_three(low, high):
            if low == 3:
                raise RuntimeError
            done.append(low)
            return 1

        with pytest.raises(RuntimeError):
            jobs.work_chunks(job="room.job", run_key="2026-07-01", work=fails_at_three)
        assert done == [1]

        rest = []
        assert work(rest) == 3
        assert rest == [(3, 4), (5, 5)]

    def test_who_came_late_is_planned_under_a_chunk_that_was_done(self):
        plan([1, 2, 3, 4])
        work([])
        plan([1, 9])
        again = []

        work(again)

        assert again == [(1, 9)]

    def test_another_days_are_another_matter(self):
        plan([1, 2])

        assert jobs.work_chunks(job="room.job", run_key="2026-07-02", work=lambda *_: 1) == 0
        assert jobs.work_chunks(job="room.other", run_key="2026-07-01", work=lambda *_: 1) == 0


def test_the_night_has_an_order(monkeypatch):
    monkeypatch.setattr(jobs, "_register", jobs._Register())
    days = []

    @jobs.nightly(name="b", order=20)
    def second(*, day):
        days.append(("b", day))
        return {}

    @jobs.nightly(name="a", order=10)
    def first(*, day):
        days.append(("a", day))
        return {}

    for job in jobs.nightly_jobs():
        job.run(DAY)

    assert days == [("a", DAY), ("b", DAY)]
