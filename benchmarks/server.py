"""The PostgreSQL server under test: connections to it, what it works and what it writes."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg2
from psycopg2 import extensions

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def connect(variable: str = "DATABASE_OWNER_URL") -> extensions.connection:
    """Connect in autocommit as one of the roles the environment names."""
    connection = psycopg2.connect(os.environ.get(variable) or os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def checkpoint() -> bool:
    """Start from a known state, if we may: True when the server wrote a checkpoint just now."""
    if "DATABASE_SUPERUSER_URL" not in os.environ:
        return False
    connection = connect("DATABASE_SUPERUSER_URL")
    connection.cursor().execute("CHECKPOINT")
    connection.close()
    return True


@dataclass(frozen=True)
class Reading:
    cpu_seconds: float | None
    wal_bytes: int


class Meter:
    """Reads the server's CPU time (of all its processes) and its position in the WAL."""

    def __init__(self) -> None:
        self._connection = connect()

    def read(self) -> Reading:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
            cpu = cpu_seconds_of(self._postmaster) if self._postmaster else None
            return Reading(cpu, int(cursor.fetchone()[0]))

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
