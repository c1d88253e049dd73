"""The night by Celery's own workers: two processes share it, kill -9 of both, another start."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from common import nights
from common.models import JobRun
from points.models import Account, Entry, Lot
from tests.concurrency.processes import until_alone
from tests.factories import identity, lot

pytestmark = pytest.mark.concurrency

MEMBERS = 24
PATIENCE = 60.0


def eventually(question):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


@contextmanager
def workers(log):
    """A Celery worker of two processes for the queue of the night, killed with all it started."""
    database = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(
        **connection.settings_dict
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "--app", "membership.celery:app", "worker"),
            *("--queues", "nightly", "--concurrency", "2", "--loglevel", "INFO"),
        ],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "membership.settings",
            "DATABASE_URL": database,
            "NIGHT_WORKERS": "2",
            "NIGHT_CHUNK_MEMBERS": "2",
        },
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_the_night():
    """As beat does."""
    beat = Celery(broker=settings.REDIS_URL, set_as_current=False)
    beat.conf.task_routes = settings.CELERY_TASK_ROUTES
    beat.send_task(nights.TASK)


def waiting_for_a_lock():
    with connection.cursor() as cursor:
        # One transaction would be told the same again and again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return cursor.fetchone()[0]


def killed_when_both_stand(ids, log):
    """
    Start the night while the first two chunks cannot be done, and kill both workers there.

    The first process takes one chunk, the one it calls the other.
    """
    with transaction.atomic():
        list(Account.objects.select_for_update().filter(pk__in=[ids[0], ids[2]]))
        with workers(log):
            start_the_night()
            eventually(lambda: waiting_for_a_lock() == 2)
    until_alone()


def test_two_processes_share_it_and_after_kill_9_of_both_another_start_does_the_rest(tmp_path):
    for _ in range(MEMBERS):
        lot(identity(), 10, at=datetime(2020, 1, 1, tzinfo=UTC), expires_on=date(2020, 6, 30))
    ids = sorted(Account.objects.values_list("pk", flat=True))
    tonight = nights.night_of(timezone.now())
    run = JobRun.objects.filter(name="points.expire_due_lots", day=tonight)

    with (tmp_path / "log").open("w") as log:
        killed_when_both_stand(ids, log)
        assert run.get().chunk_count == MEMBERS / 2
        # Planned already, and still the one whom the clock starts calls the other.
        killed_when_both_stand(ids, log)
        assert not Entry.objects.filter(kind="EXPIRE").exists()

        with workers(log):
            start_the_night()
            eventually(lambda: not JobRun.objects.filter(finished_at=None).exists())

    assert run.get().report == {"lots": MEMBERS, "members": MEMBERS, "points": 10 * MEMBERS}
    assert Entry.objects.filter(kind="EXPIRE").count() == MEMBERS
    assert not Lot.objects.exists()
