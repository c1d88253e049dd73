"""The PostgreSQL server under test: connections to it, what it works and what it writes."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg2
from psycopg2 import extensions

SUPERUSER = "DATABASE_SUPERUSER_URL"
RECOVERY_SECONDS = 300
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def connect(variable: str = "DATABASE_OWNER_URL") -> extensions.connection:
    """Connect in autocommit as one of the roles the environment names."""
    connection = psycopg2.connect(os.environ.get(variable) or os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


@contextmanager
def cursor(variable: str = "DATABASE_OWNER_URL") -> Iterator[extensions.cursor]:
    """A cursor of a connection of its own."""
    connection = connect(variable)
    try:
        yield connection.cursor()
    finally:
        connection.close()


def is_ours() -> bool:
    """Whether this server was started for us: then we may tell it when to write a checkpoint."""
    return SUPERUSER in os.environ


def checkpoint() -> None:
    """Have a checkpoint written, if the server is ours: what changes next is logged whole pages."""
    if is_ours():
        with cursor(SUPERUSER) as superuser:
            superuser.execute("CHECKPOINT")


def kill_a_process() -> None:
    """Kill one of the server's processes if it is ours: it ends all others and recovers."""
    if is_ours():
        with cursor(SUPERUSER) as superuser:
            superuser.execute(
                "SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
            )
            os.kill(superuser.fetchone()[0], signal.SIGKILL)


def wait_until_it_answers() -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return connect().close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@dataclass(frozen=True)
class Reading:
    cpu_seconds: float | None
    wal_bytes: int
    # Pages the log holds whole, each at its first change after a checkpoint.
    pages_logged: int


class Meter:
    """Reads the server's CPU time (of all its processes) and its position in the WAL."""

    def __init__(self) -> None:
        self._connection = connect()

    def read(self) -> Reading:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, wal_fpi FROM pg_stat_wal")
            wal_bytes, pages_logged = map(int, cursor.fetchone())
            cpu = cpu_seconds_of(self._postmaster) if self._postmaster else None
            return Reading(cpu, wal_bytes, pages_logged)

    @cached_property
    def _postmaster(self) -> int | None:
        """The server's main process; None when it runs on another machine."""
        backend = self._connection.info.backend_pid
        try:
            command = Path(f"/proc/{backend}/cmdline").read_bytes()
            return _stat(backend)[1] if command.startswith(b"postgres") else None
        except FileNotFoundError:
            return None


def cpu_seconds_of(parent: int) -> float:
    """What a process and its children have worked, those that have ended included."""
    while True:
        ended = _stat(parent)[13:15]
        ticks = _ticks_of(parent)
        # A child that ended while we looked would be missing.
        if _stat(parent)[13:15] == ended:
            return ticks / TICKS_PER_SECOND


def _ticks_of(parent: int) -> int:
    ticks = sum(_stat(parent)[11:15])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = _stat(int(process.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat[1] == parent:
            ticks += sum(stat[11:13])
    return ticks


def _stat(pid: int) -> list[int]:
    """The fields of /proc/PID/stat from the third on, the state letter as 0."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return [0, *map(int, text[text.rindex(")") + 4 :].split())]
