"""
The proof: everything is killed in the middle of its work, and the ledger must still add up.

All clients hammer a few members with all kinds of postings while a night runs. Then one process of
the database server is killed, if the server is ours, so that it falls down and recovers from its
log; and so are the clients and the night. What had been acknowledged must be there.
"""

import multiprocessing
import random
import signal
import tempfile
import time
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path

from django import db

from benchmarks import calls, night, seeding, server
from benchmarks.callers import references
from benchmarks.measuring import Aim, Bench, Row
from partners.models import Store
from points import nightly
from points.models import EntryKind

NONE = Aim(0, at_most=True)
HAMMERED_MEMBERS = 50
HAMMERS = ("earn", "redeem", "purchase", "hold and confirm")
SECONDS = 4

MISSING = """
    SELECT count(*) FROM unnest(%(references)s) AS acknowledged (reference) WHERE NOT EXISTS (
        SELECT FROM points_entry AS e
        WHERE e.issuer_id = %(issuer)s AND e.kind = ANY (%(kinds)s)
            AND e.reference = acknowledged.reference
    )
"""


def measure(bench: Bench, store: Store) -> list[Row]:
    days = night.due_days()
    acknowledged = _hammer_and_kill(bench.options.clients, days)
    server.wait_until_it_answers()
    # The night that was killed goes on, and once it is over another finds nothing.
    for day in days[:2]:
        night.do(nightly.expire_due_lots, day=day)
        assert nightly.expire_due_lots(day=day)["lots"] == 0
    with server.cursor() as cursor:
        facts = {
            "references": acknowledged,
            "issuer": store.organization_id,
            "kinds": EntryKind.values,
        }
        cursor.execute(MISSING, facts)
        (missing,) = cursor.fetchone()
    bench.say(f"  {len(acknowledged):,} postings had been acknowledged when all were killed")
    bench.say("  verifying the ledger")
    return [
        Row("acknowledged postings that a kill −9 lost", "none", missing, NONE),
        *verified("differences after a hammer and a kill −9"),
    ]


def verified(name: str = "differences found by verify_ledger") -> list[Row]:
    return [Row(name, "none", seeding.verify(), NONE)]


def _hammer_and_kill(clients: int, days: list[date]) -> list[str]:
    """Return the references that had been acknowledged by then."""
    db.connections.close_all()  # children must not share them
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(clients + 1)
    with tempfile.TemporaryDirectory() as folder:
        hammers = [
            fork.Process(
                target=_hammer, args=(Path(folder) / str(client), client, together), daemon=True
            )
            for client in range(clients)
        ]
        for hammer in hammers:
            hammer.start()
        with night.worker(days):
            together.wait()
            time.sleep(SECONDS)
            server.kill_a_process()
            for hammer in hammers:
                hammer.kill()
        for hammer in hammers:
            hammer.join()
            if hammer.exitcode not in (0, -signal.SIGKILL):
                raise SystemExit("A hammer broke before it was killed; what it says stands above.")
        return [reference for file in Path(folder).iterdir() for reference in _whole_lines(file)]


def _hammer(acknowledged: Path, client: int, together: Barrier) -> None:
    chance = random.Random(client)
    everything = calls.calls()
    operations = [everything[name] for name in HAMMERS]
    together.wait()
    with acknowledged.open("a", buffering=1) as file:
        for reference in references(client):
            member = chance.randint(1, HAMMERED_MEMBERS)
            try:
                posted = chance.choice(operations)(member, reference, chance)
            except db.Error:
                return  # the server fell down before we were killed
            if posted is not None:
                file.write(f"{reference}\n")


def _whole_lines(file: Path) -> list[str]:
    return [line.rstrip("\n") for line in file.open() if line.endswith("\n")]
