"""How far a long command is: a bar with rate and time left on stderr, or a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

# Without a terminal (cron, logs) one line in this many seconds.
LINE_SECONDS = 30.0

Advance = Callable[[int], None]


@contextmanager
def progress(
    *, total: int | None, unit: str, done: int = 0, stream: TextIO | None = None
) -> Iterator[Advance]:
    """
    Give a function to call with how many more units are done.

    :param total: None when unknown; then there is no time left to tell
    :param done: units an earlier start has done, which do not count for the rate
    """
    out = stream or sys.stderr
    if out.isatty():
        with tqdm(
            total=total, initial=done, unit=f" {unit}", file=out, dynamic_ncols=True
        ) as progress_bar:
            yield lambda units: _discard(progress_bar.update(units))
    else:
        yield _Lines(total=total, unit=unit, done=done, out=out).advance


class _Lines:
    def __init__(self, *, total: int | None, unit: str, done: int, out: TextIO) -> None:
        self._total, self._unit, self._out = total, unit, out
        self._initial = self._done = done
        self._started = self._told = time.monotonic()

    def advance(self, units: int) -> None:
        self._done += units
        now = time.monotonic()
        if now - self._told < LINE_SECONDS:
            return
        self._told = now
        line = tqdm.format_meter(
            self._done,
            self._total,
            now - self._started,
            unit=f" {self._unit}",
            initial=self._initial,
            ncols=0,
        )
        self._out.write(f"{line}\n")
        self._out.flush()


def _discard(_result: object) -> None:
    """Tqdm tells whether it drew; nobody asks."""
