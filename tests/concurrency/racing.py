"""Threads with connections of their own, real commits, and a way to see who waits for whom."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from common.errors import DomainError

PATIENCE = 20.0


class Racer(threading.Thread):
    """One till: runs a function on its own connection and keeps the answer or the exception."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._connected = threading.Event()
        self._go = threading.Event()
        self.backend = 0
        self.result: Any = None
        self.start()
        assert self._connected.wait(PATIENCE)

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.backend = cursor.fetchone()[0]
            self._connected.set()
            assert self._go.wait(PATIENCE)
            self.result = self._work()
        except Exception as error:  # noqa: BLE001 - it is the answer
            self.result = error
        finally:
            connection.close()

    def go(self) -> "Racer":
        self._go.set()
        return self

    def answer(self, *, may_fail: bool = False) -> Any:
        """
        What it returned, or the refusal it met.

        :param may_fail: any other exception is an answer as well, and not raised here
        """
        self.join(PATIENCE)
        assert not self.is_alive(), "still waiting"
        failed = isinstance(self.result, Exception) and not isinstance(self.result, DomainError)
        if failed and not may_fail:
            raise self.result
        return self.result


def at_once(*works: Callable[[], Any], may_fail: bool = False) -> list[Any]:
    """Run all at the same moment and return their answers in order."""
    racers = [Racer(work) for work in works]
    for racer in racers:
        racer.go()
    return [racer.answer(may_fail=may_fail) for racer in racers]


def until_waiting(racer: Racer) -> None:
    """Return when the racer stands in front of a lock."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert racer.is_alive(), f"it did not wait: {racer.result!r}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [racer.backend])
            if cursor.fetchone()[0]:
                return
        time.sleep(0.005)
    raise AssertionError("it never waited for a lock")
