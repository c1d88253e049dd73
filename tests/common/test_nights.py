"""The nights: each day's jobs in order, once; what fails harms only itself."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from common import jobs, night_queries, nights
from common.models import AuditRecord, JobChunk, JobRun
from tests.factories import staff

pytestmark = pytest.mark.django_db

DAY = date(2026, 7, 1)
MIDNIGHT = datetime(2026, 6, 30, 16, 0, tzinfo=UTC)  # of the programme's zone
NIGHT = MIDNIGHT + timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(jobs, "_register", jobs._Register())


class Job:
    """A job that writes down what it did, and fails where it is told to."""

    def __init__(self, name="room.job", *, order=10, ranges=((1, 2), (3, 4), (5, 5)), **options):
        self.done, self.failing, self.ranges, self.planned = [], {}, ranges, 0
        options = {"title": name, "figures": {"ids": "Ids"}} | options
        jobs.nightly(name=name, order=order, plan=self.plan, **options)(self.work)
        self.name = name

    def plan(self, day):
        self.planned += 1
        if isinstance(self.ranges, Exception):
            raise self.ranges
        return self.ranges

    def work(self, *, day, low, high):
        self.done.append((day, low))
        if error := self.failing.get(low):
            raise error
        return {"ids": high - low + 1}

    @property
    def run(self):
        return JobRun.objects.get(name=self.name)


def night(now=NIGHT):
    nights.work(now=now)


class TestANight:
    def test_does_each_job_once_in_order(self):
        second, first = Job("room.b", order=20), Job("room.a", order=10)
        log = first.done = second.done = []

        night()
        night()

        assert log == [(DAY, 1), (DAY, 3), (DAY, 5)] * 2
        runs = list(JobRun.objects.order_by("finished_at").values_list("name", "report"))
        assert runs == [("room.a", {"ids": 5}), ("room.b", {"ids": 5})]
        assert first.run.chunk_count == 3
        assert first.run.started_at <= first.run.planned_at <= first.run.finished_at

    def test_begins_ten_minutes_after_midnight_in_the_programmes_zone(self):
        job = Job()

        night(NIGHT - timedelta(seconds=1))
        night(NIGHT)

        assert [day for day, low in job.done if low == 1] == [DAY - timedelta(days=1), DAY]

    def test_without_work_is_over_at_once(self):
        job = Job(ranges=())

        night()

        assert job.run.finished_at is not None
        assert (job.run.chunk_count, job.run.report) == (0, {"ids": 0})

    def test_keeps_what_the_chunks_found(self):
        job = Job()
        jobs.nightly(
            name="room.job", order=1, title="", plan=job.plan, figures={"ids": "Ids"}
        )(lambda *, day, low, high: {"ids": 1, "findings": [f"at {low}"]})  # fmt: skip

        night()

        assert job.run.report == {"ids": 3, "findings": ["at 1", "at 3", "at 5"]}

    def test_makes_room_after_half_an_hour_and_goes_on_the_next_time(self, monkeypatch):
        job = Job()
        clock = iter([0.0, 1.0, 1.0, 1.0, 1801.0])
        with monkeypatch.context() as patch:
            patch.setattr(nights.time, "monotonic", lambda: next(clock))
            night()
        assert [low for _day, low in job.done] == [1]

        night()

        assert [low for _day, low in job.done] == [1, 3, 5]
        assert job.run.report == {"ids": 5}

    def test_asks_the_same_few_statements_for_each_chunk(self):
        def statements(chunks):
            Job(f"room.of_{chunks}", ranges=[(n, n) for n in range(1, chunks + 1)])
            with CaptureQueriesContext(connection) as captured:
                night()
            return sum("SAVEPOINT" not in query["sql"] for query in captured)

        statements(1)
        # A place, the chunk, the mark that it is done; and the work itself.
        assert statements(30) - statements(20) == 10 * 3

    def test_leaves_runs_of_jobs_that_are_gone(self):
        gone = JobRun.objects.create(name="room.gone", day=DAY)

        night()

        gone.refresh_from_db()
        assert gone.started_at is None


class TestNightsThatWereMissed:
    def test_are_made_up_day_by_day_before_tonight(self):
        first, second = Job("room.a", order=1, ranges=((1, 1),)), Job("room.b", order=2)
        second.ranges = ((1, 1),)
        log = first.done = second.done = []
        night()
        log.clear()

        night(NIGHT + timedelta(days=3))

        days = [DAY + timedelta(days=n) for n in (1, 2, 3)]
        assert log == [(day, 1) for day in days for _job in "ab"]

    def test_upkeep_is_done_for_the_latest_only(self):
        job = Job(upkeep=True, ranges=((1, 1),))
        Job("room.other", ranges=())
        night()

        night(NIGHT + timedelta(days=3))

        assert job.done == [(DAY, 1), (DAY + timedelta(days=3), 1)]

    def test_one_that_was_killed_is_finished_first(self):
        first, second = Job("room.a", order=1), Job("room.b", order=2, ranges=((1, 1),))
        first.failing[3] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            night()
        first.failing.clear()

        night(NIGHT + timedelta(days=1))

        tomorrow = DAY + timedelta(days=1)
        assert first.done[2:] == [(DAY, 3), (DAY, 5)] + [(tomorrow, low) for low in (1, 3, 5)]
        assert second.done == [(DAY, 1), (tomorrow, 1)]

    def test_beyond_a_month_the_next_night_does_it_all(self):
        job = Job(ranges=((1, 1),))
        night()

        night(NIGHT + timedelta(days=400))

        days = [day for day, _low in job.done]
        assert days[1:] == [DAY + timedelta(days=400 - 31 + n) for n in range(32)]

    def test_the_clock_set_back_does_nothing_anew(self):
        job = Job(ranges=((1, 1),))
        night()

        night(NIGHT - timedelta(minutes=5))
        night()

        # The night before was never done here; tonight's is not done again.
        assert job.done == [(DAY, 1), (DAY - timedelta(days=1), 1)]


class TestAChunkThatFails:
    def test_is_tried_three_times_while_the_others_go_on(self):
        job, after = Job(), Job("room.after", order=20)
        job.failing[3] = ValueError("x" * 3000)

        night()

        assert [low for _day, low in job.done] == [1, 3, 5, 3, 3]
        run = job.run
        assert (run.finished_at, run.report) == (None, {"ids": 3})
        assert run.failed_at is not None
        assert run.error.startswith("ValueError('xxx")
        chunk = run.chunks.get(done_at=None)
        assert (chunk.low, chunk.attempts) == (3, 3)
        assert len(chunk.error) == 2000
        assert after.run.finished_at is not None

    def test_that_had_to_wait_is_done_the_next_time(self):
        job = Job()
        job.failing[3] = OperationalError("deadlock detected")
        work = job.work

        def better_the_second_time(**named):
            if named["low"] == 5:
                job.failing.clear()
            return work(**named)

        jobs.nightly(
            name="room.job", order=1, title="", plan=job.plan, figures={"ids": "Ids"}
        )(better_the_second_time)  # fmt: skip

        night()

        assert [low for _day, low in job.done] == [1, 3, 5, 3]
        assert (job.run.error, job.run.report) == ("", {"ids": 5})
        assert set(JobChunk.objects.values_list("error", flat=True)) == {""}

    def test_is_not_tried_by_the_next_start(self):
        job = Job()
        job.failing[3] = ValueError()
        night()

        night()

        assert len(job.done) == 5

    def test_again_does_only_what_failed(self, django_capture_on_commit_callbacks):
        job = Job()
        job.failing[3] = ValueError()
        night()
        job.done.clear()
        job.failing.clear()

        nights.run_again(run_id=job.run.pk, now=NIGHT, by=staff())
        nights.work(now=NIGHT)

        assert job.done == [(DAY, 3)]
        assert (job.run.failed_at, job.run.error, job.run.report) == (None, "", {"ids": 5})


class TestAPlanThatFails:
    def test_is_tried_three_times_and_delays_nobody_else(self):
        job, after = Job(ranges=ValueError("no such column")), Job("room.after", order=20)

        night()

        assert (job.planned, job.run.attempts) == (3, 3)
        assert job.run.failed_at is not None
        assert "no such column" in job.run.error
        assert after.run.finished_at is not None

    def test_leaves_no_chunk_of_a_plan_that_broke_off(self):
        def breaks_off(day):
            yield 1, 2
            raise ValueError

        job = Job()
        job.ranges = ()
        jobs.nightly(
            name="room.job", order=1, title="", plan=breaks_off, figures={"ids": "Ids"}
        )(job.work)  # fmt: skip

        night()

        assert not JobChunk.objects.exists()
        assert job.run.failed_at is not None

    def test_again_is_planned_anew(self):
        job = Job(ranges=ValueError())
        night()
        job.ranges = ((1, 2),)

        nights.run_again(run_id=job.run.pk, now=NIGHT, by=staff())
        night()

        assert (job.run.report, job.run.error) == ({"ids": 2}, "")


class TestRunAgain:
    def test_of_a_finished_day_is_another_run_and_the_first_stays_as_it_was(self):
        job = Job()
        night()
        first = job.run
        job.ranges = ((9, 9),)

        again = nights.run_again(run_id=first.pk, now=NIGHT, by=staff())
        night()

        again.refresh_from_db()
        assert (again.number, again.report) == (2, {"ids": 1})
        assert str(again) == "room.job 2026-07-01 #2"
        first.refresh_from_db()
        assert first.report == {"ids": 5}
        assert AuditRecord.objects.get(action="job.run_again").target == str(again)

    def test_only_the_latest_run_of_a_day_can_be_followed_by_another(self):
        job = Job()
        night()
        first = job.run
        nights.run_again(run_id=first.pk, now=NIGHT, by=staff())

        with pytest.raises(nights.NotTheLatestRun):
            nights.run_again(run_id=first.pk, now=NIGHT, by=staff())

        assert JobRun.objects.count() == 2

    def test_what_somebody_works_on_is_left_to_them(self):
        Job()
        run = JobRun.objects.create(name="room.job", day=DAY, started_at=NIGHT)

        with pytest.raises(nights.JobRunning):
            nights.run_again(run_id=run.pk, now=NIGHT + night_queries.STOPPED_AFTER, by=staff())

        assert not AuditRecord.objects.exists()
        later = NIGHT + night_queries.STOPPED_AFTER + timedelta(seconds=1)
        assert nights.run_again(run_id=run.pk, now=later, by=staff()).pk == run.pk

    def test_a_chunk_done_lately_is_a_sign_of_life(self):
        Job()
        run = JobRun.objects.create(name="room.job", day=DAY, started_at=MIDNIGHT)
        run.chunks.create(low=1, high=2, done_at=NIGHT)

        with pytest.raises(nights.JobRunning):
            nights.run_again(run_id=run.pk, now=NIGHT, by=staff())

    def test_needs_a_job_of_this_release(self):
        run = JobRun.objects.create(name="room.gone", day=DAY, finished_at=NIGHT)

        with pytest.raises(nights.JobNotStartable):
            nights.run_again(run_id=run.pk, now=NIGHT, by=staff())

        assert JobRun.objects.count() == 1

    def test_calls_a_worker(self, django_capture_on_commit_callbacks):
        job = Job()
        night()

        with django_capture_on_commit_callbacks(execute=True):
            again = nights.run_again(run_id=job.run.pk, now=NIGHT, by=staff())

        again.refresh_from_db()
        assert again.finished_at is not None


CALL_TWO = """
import django
django.setup()
from common import nights
nights.call_workers(2)
"""


def test_without_redis_nobody_is_called_and_the_night_goes_on():
    process = subprocess.run(
        [sys.executable, "-c", CALL_TWO],
        env=os.environ
        | {"REDIS_URL": "redis://127.0.0.1:1", "DJANGO_SETTINGS_MODULE": "membership.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert process.returncode == 0, process.stderr
    assert "No worker could be called for the night" in process.stderr
