"""Processes of their own, each with its own connection, that stand still to be killed."""

import contextlib
import os
import select
import signal
import time
import traceback
from collections.abc import Callable

from django.db import connection, connections

PATIENCE = 30.0

# Called by the work where it wants to stand still until it is killed or let go.
Stop = Callable[[], None]


# Those a test that failed left standing still would hold their rows for ever.
living: list["Process"] = []


class Process:
    """
    A fork of this process that does some work and ends.

    The work is given a function `stop`: whoever calls it tells the parent and stands still.
    """

    def __init__(self, work: Callable[[Stop], None]) -> None:
        # Two processes must not share one connection.
        connections.close_all()
        self._told, tell = os.pipe()
        wait, self._let_go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._be_the_child(work, tell, wait)
        living.append(self)
        os.close(tell)
        os.close(wait)

    def _be_the_child(self, work: Callable[[Stop], None], tell: int, wait: int) -> None:
        # Its end of the pipe must not outlive the parent.
        os.close(self._told)
        os.close(self._let_go)

        def stop() -> None:
            os.write(tell, b".")
            os.read(wait, 1)

        try:
            work(stop)
        except BaseException:  # noqa: BLE001 - nothing may go back into the test's own frames
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def stopped(self) -> bool:
        """Wait until it stands still (True) or has ended (False)."""
        readable, _, _ = select.select([self._told], [], [], PATIENCE)
        assert readable, "it neither stopped nor ended"
        return os.read(self._told, 1) == b"."

    def go_on(self) -> None:
        os.write(self._let_go, b".")

    def kill(self) -> None:
        """End it as the kernel ends it: no handler runs, nothing is tidied up."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self._close()
        assert os.WIFSIGNALED(status)
        until_alone()

    def end(self) -> None:
        """Wait until it has done its work."""
        while self.stopped():
            self.go_on()
        _, status = os.waitpid(self.pid, 0)
        self._close()
        assert status == 0, "it failed; its traceback is above"

    def _close(self) -> None:
        living.remove(self)
        for pipe in (self._told, self._let_go):
            with contextlib.suppress(OSError):
                os.close(pipe)


def until_alone() -> None:
    """Return when the server has noticed that the dead are dead, and freed what they held."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            if cursor.fetchone()[0] == 0:
                return
        time.sleep(0.005)
    raise AssertionError("a dead process is still connected")
