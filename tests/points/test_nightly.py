"""The night: expiry in chunks, once, resumable."""

import os
import signal
import subprocess
import sys
from datetime import date

import pytest
from django.db import connection

from common.models import JobChunk
from points import nightly, verification
from points.models import Account, Entry, Lot
from tests.factories import identity, lot
from tests.factories.points import NOON

DAY = date(2026, 7, 1)
LAPSED = date(2026, 6, 30)


def ledger_is_right():
    report = verification.Report()
    for low, high in verification.ranges(size=1000):
        verification.verify(report=report, low=low, high=high)
    return report.differences == []


@pytest.mark.django_db
class TestExpireDueLots:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch):
        monkeypatch.setattr(nightly, "CHUNK_MEMBERS", 2)

    def test_writes_off_what_lapsed_before_the_day(self):
        due = [identity() for _ in range(5)]
        for one in due:
            lot(one, 10, expires_on=LAPSED)
            lot(one, 5, expires_on=DAY)
        lot(identity(), 7, expires_on=DAY)

        assert nightly.expire_due_lots(day=DAY) == {"members": 5, "lots": 5, "points": 50}

        assert JobChunk.objects.exclude(done_at=None).count() == 3
        assert sorted(Account.objects.values_list("balance", flat=True)) == [5] * 5 + [7]
        assert ledger_is_right()

    def test_again_finds_nothing(self):
        lot(identity(), 10, expires_on=LAPSED)
        nightly.expire_due_lots(day=DAY)

        assert nightly.expire_due_lots(day=DAY) == {"members": 0, "lots": 0, "points": 0}
        assert Entry.objects.filter(kind="EXPIRE").count() == 1

    def test_an_empty_night_is_no_work(self, django_assert_num_queries):
        with django_assert_num_queries(4):  # plan, and a look for a chunk between two savepoints
            assert nightly.expire_due_lots(day=DAY)["members"] == 0

    def test_what_came_in_late_goes_the_next_time_it_runs(self):
        early, other = identity(), identity()
        lot(early, 10, expires_on=LAPSED)
        nightly.expire_due_lots(day=DAY)
        # Imported in the morning: bought and lapsed long ago, in a chunk that is done.
        lot(early, 3, expires_on=date(2025, 1, 31), at=NOON.replace(year=2024))
        lot(other, 4, expires_on=LAPSED)

        assert nightly.expire_due_lots(day=DAY)["points"] == 7
        assert nightly.expire_due_lots(day=date(2026, 7, 2))["points"] == 0

    def test_nights_missed_are_made_up_with_their_own_days(self):
        of = identity()
        lot(of, 10, expires_on=date(2026, 3, 31), at=NOON.replace(month=1))
        lot(of, 20, expires_on=date(2026, 4, 30), at=NOON.replace(month=1))

        nightly.expire_due_lots(day=DAY)

        days = (
            Entry.objects.filter(kind="EXPIRE")
            .order_by("seq")
            .values_list("effective_at", flat=True)
        )
        assert [day.isoformat() for day in days] == [
            "2026-03-31T16:00:00+00:00",
            "2026-04-30T16:00:00+00:00",
        ]

    def test_stopped_in_the_middle_it_goes_on_where_it_was(self, monkeypatch):
        members = sorted((identity() for _ in range(6)), key=lambda one: one.id)
        for one in members:
            lot(one, 10, expires_on=LAPSED)
        expire = nightly.operations.expire
        seen = []

        def stop_at_the_second(*, low, high, on):
            seen.append((low, high))
            if len(seen) == 2:
                expire(low=low, high=high, on=on)
                raise KeyboardInterrupt
            return expire(low=low, high=high, on=on)

        monkeypatch.setattr(nightly.operations, "expire", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            nightly.expire_due_lots(day=DAY)
        # The first chunk is done; the second was undone with its work.
        assert Entry.objects.filter(kind="EXPIRE").count() == 2
        assert JobChunk.objects.filter(done_at=None).count() == 2

        assert nightly.expire_due_lots(day=DAY) == {"members": 4, "lots": 4, "points": 40}

        assert Entry.objects.filter(kind="EXPIRE").count() == 6
        assert not JobChunk.objects.filter(done_at=None).exists()
        assert not Lot.objects.exists()
        assert ledger_is_right()

    def test_is_one_of_the_nights_jobs(self):
        from common import jobs

        [job] = [job for job in jobs.nightly_jobs() if job.name == "points.expire_due_lots"]
        lot(identity(), 10, expires_on=LAPSED)

        assert job.run(DAY)["points"] == 10


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_does_nothing_twice():
    """A real process, kill -9 between and inside its chunks, then the same night again."""
    members = 3000
    with connection.cursor() as cursor:
        cursor.execute(SEED, {"members": members, "last_day": LAPSED})

    for kills in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.points.killed", DAY.isoformat()],
            env=os.environ | {"DATABASE_URL": test_database_url()},
            stdout=subprocess.PIPE,
            text=True,
        )
        # It says when it stands in the middle of a chunk: work done, not yet committed.
        assert process.stdout.readline() == "in chunk 3\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # Two whole chunks each time, and nothing of the one it died in.
        assert Entry.objects.filter(kind="EXPIRE").count() == kills * 2 * 500
    assert JobChunk.objects.filter(done_at=None).exists()
    assert not Entry.objects.exclude(kind="EXPIRE").exclude(kind="EARN").exists()

    report = nightly.expire_due_lots(day=DAY)

    assert report == {"members": 1000, "lots": 1000, "points": 10_000}
    assert Entry.objects.filter(kind="EXPIRE").count() == members
    assert not Account.objects.exclude(balance=0).exists()
    assert not Lot.objects.exists()
    assert ledger_is_right()


SEED = """
    INSERT INTO members_member (
        number, status, name, name_parts, sex, phone, email, id_number, province, city, joined_at,
        activated_at
    )
    SELECT 'M' || lpad(n::text, 10, '0'), 'ACTIVE', '', '{}', '', '', '', '', '', '', now(), now()
    FROM generate_series(1, %(members)s) AS n;

    INSERT INTO points_account (member_id, balance, seq) SELECT id, 10, 1 FROM members_member;
    INSERT INTO points_lot (member_id, expires_on, seq, points, remaining)
    SELECT id, %(last_day)s, 1, 10, 10 FROM members_member;
    INSERT INTO points_entry (
        member_id, seq, kind, type, points, balance_after, effective_at, expires_on
    )
    SELECT id, 1, 'EARN', 'CONSUMPTION', 10, 10, now() - interval '1 year', %(last_day)s
    FROM members_member;
"""


def test_database_url():
    settings = connection.settings_dict
    return "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**settings)


test_database_url.__test__ = False
