"""Several processes on one night: each chunk once, no more at once than there are places."""

import os
from collections import Counter
from time import sleep

import pytest
from django.db import transaction
from django.utils import timezone

from common import jobs, nights
from common.models import AuditRecord, JobChunk, JobRun
from tests.common.test_nights import NIGHT
from tests.concurrency.processes import Process

pytestmark = pytest.mark.concurrency

CHUNKS = 30
WORKERS = 3


@pytest.fixture(autouse=True)
def _job(monkeypatch, settings):
    """A job whose every piece of work is written down: which, by whom, from when to when."""
    settings.NIGHT_WORKERS = WORKERS
    monkeypatch.setattr(nights, "_call_others", lambda run: None)
    monkeypatch.setattr(jobs, "_register", jobs._Register())

    @jobs.nightly(
        name="room.job",
        order=1,
        title="Job",
        plan=lambda day: [(n, n) for n in range(1, CHUNKS + 1)],
        figures={"pieces": "Pieces"},
    )
    def work(*, day, low, high):
        began = timezone.now()
        sleep(0.02)
        with transaction.atomic():
            AuditRecord.objects.create(
                action="piece.done",
                target=f"{low}",
                details={"pid": os.getpid(), "from": began, "to": timezone.now()},
            )
        return {"pieces": 1}


def together(work):
    """Start the workers, let them all go at the same moment, and wait for their end."""

    def waiting(stop):
        stop()
        work()

    workers = [Process(waiting) for _ in range(WORKERS)]
    for worker in workers:
        assert worker.stopped()
    for worker in workers:
        worker.go_on()
    for worker in workers:
        worker.end()


def planned():
    """The run as the first worker plans it, so that all the others find chunks."""
    nights._open_due(nights.night_of(NIGHT))
    run = JobRun.objects.get()
    assert nights._plan(run, jobs.find(run.name))


def done():
    records = AuditRecord.objects.filter(action="piece.done")
    return [record.details | {"piece": record.target} for record in records]


def at_once(pieces):
    """How many pieces were at work at the same moment, at most."""
    moments = sorted(
        [(piece["from"], 1) for piece in pieces] + [(piece["to"], -1) for piece in pieces]
    )
    now = most = 0
    for _at, change in moments:
        now += change
        most = max(most, now)
    return most


def work():
    nights.work(now=NIGHT)


def test_share_the_chunks_and_do_each_once():
    planned()

    together(work)

    pieces = done()
    assert Counter(piece["piece"] for piece in pieces) == Counter(map(str, range(1, CHUNKS + 1)))
    assert len({piece["pid"] for piece in pieces}) == WORKERS
    run = JobRun.objects.get()
    assert run.finished_at is not None
    assert (run.report, run.chunk_count) == ({"pieces": CHUNKS}, CHUNKS)
    assert at_once(pieces) == WORKERS


def test_without_the_chunk_held_they_do_the_same_twice(monkeypatch):
    """The control of the test before."""
    monkeypatch.setattr(
        nights, "_take_chunk", lambda run: run.chunks.filter(done_at=None).order_by("low").first()
    )
    planned()

    together(work)

    assert max(Counter(piece["piece"] for piece in done()).values()) > 1


def test_that_start_a_night_together_plan_it_once():
    together(work)

    assert JobRun.objects.get().planned_at is not None
    assert JobChunk.objects.count() == len(done()) == CHUNKS


@pytest.mark.parametrize("places", [1, 2])
def test_never_work_on_more_chunks_than_there_are_places(settings, places):
    settings.NIGHT_WORKERS = places
    planned()

    together(work)
    # Whoever found no place has gone; it is the next start that brings them back.
    work()

    pieces = done()
    assert len(pieces) == CHUNKS
    assert at_once(pieces) == places
