"""Loads that take turns with their yardstick, and what comes of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from benchmarks.options import Options
from benchmarks.server import Meter

# A load is warm when few of the pages it changes are logged whole: most have been since the last
# checkpoint.
WARM = 0.1
WARM_UP_SECONDS = 60


@dataclass(frozen=True)
class Run:
    """What one turn of a load brought."""

    done: int
    seconds: float
    # Of the load's own processes, or of the web server behind them.
    client_cpu_seconds: float | None = None
    server_cpu_seconds: float | None = None
    wal_bytes: int = 0
    pages_logged: int = 0

    @property
    def per_second(self) -> float:
        return self.done / self.seconds

    def each(self, total: float) -> float:
        return total / max(self.done, 1)

    def each_us(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.each(seconds) * 1e6


class Load(Protocol):
    """Something to do as often as possible for a while."""

    name: str

    def run(self, seconds: float) -> Run: ...


@dataclass(frozen=True)
class Aim:
    """What a ratio should be: at least this, or `at_most`."""

    ratio: float
    at_most: bool = False

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.ratio if self.at_most else ratio >= self.ratio

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.ratio:g}"


@dataclass(frozen=True)
class Row:
    """One line of the report. What was not measured for it is None."""

    name: str
    to: str
    ratio: float
    aim: Aim | None = None
    lowest: float | None = None
    highest: float | None = None
    per_second: float | None = None
    server_cpu_us: float | None = None
    yardstick_cpu_us: float | None = None
    client_cpu_us: float | None = None
    wal_bytes: float | None = None
    # How many there were, where that is what differs.
    members: int | None = None


@dataclass
class Result:
    """A load beside its yardstick over all rounds."""

    name: str
    yardstick: str
    aim: Aim | None = None
    runs: list[Run] = field(default_factory=list)
    yardstick_runs: list[Run] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return _rate(self.runs) / _rate(self.yardstick_runs)

    @property
    def server_cpu_us(self) -> float | None:
        return _median(run.each_us(run.server_cpu_seconds) for run in self.runs)

    def row(self) -> Row:
        pairs = zip(self.runs, self.yardstick_runs, strict=True)
        ratios = [run.per_second / yardstick.per_second for run, yardstick in pairs]
        return Row(
            name=self.name,
            to=self.yardstick,
            ratio=self.ratio,
            aim=self.aim,
            lowest=min(ratios),
            highest=max(ratios),
            per_second=_rate(self.runs),
            server_cpu_us=self.server_cpu_us,
            yardstick_cpu_us=_median(
                run.each_us(run.server_cpu_seconds) for run in self.yardstick_runs
            ),
            client_cpu_us=_median(run.each_us(run.client_cpu_seconds) for run in self.runs),
            wal_bytes=median(run.each(run.wal_bytes) for run in self.runs),
        )

    def over(self, other: "Result", aim: Aim | None = None) -> Row:
        """How this load compares with another that had the same yardstick in the same rounds."""
        return Row(f"{self.name}, to {other.name}", other.name, self.ratio / other.ratio, aim)


def _rate(runs: Sequence[Run]) -> float:
    return median(run.per_second for run in runs)


def _median(figures) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return median(known) if known else None


def nothing() -> None:
    """What there is to do before a turn, mostly."""


@dataclass(frozen=True)
class Bench:
    """What all parts need: what was asked for, the meter, and where to tell how far it is."""

    options: Options
    meter: Meter
    say: Callable[[str], None]

    def take_turns(
        self,
        *,
        yardstick: Load,
        loads: Sequence[tuple[Load, Aim | None]],
        before_turn: Callable[[], None] = nothing,
        warm: bool = True,
    ) -> list[Result]:
        """Run yardstick, load, yardstick, load … after a short turn of each to warm up."""
        results = [Result(load.name, yardstick.name, aim) for load, aim in loads]
        if warm:
            for load in (yardstick, *(load for load, _ in loads)):
                load.run(min(1.0, self.options.seconds))
        for _ in range(self.options.rounds):
            for (load, _aim), result in zip(loads, results, strict=True):
                before_turn()
                result.yardstick_runs.append(self.metered(yardstick))
                before_turn()
                result.runs.append(self.metered(load))
        for result in results:
            self.say(f"  {result.name}: {result.ratio:.3g} of {result.yardstick}")
        return results

    def warm_up(self, load: Load) -> None:
        """Let a load run until it is warm, or for a minute."""
        deadline = time.monotonic() + WARM_UP_SECONDS
        while time.monotonic() < deadline:
            run = self.metered(load)
            pages = run.each(run.pages_logged)
            if pages < WARM:
                return
        self.say(f"  {load.name} still logs {pages:.1f} whole pages each")

    def metered(self, load: Load) -> Run:
        before = self.meter.read()
        run = load.run(self.options.seconds)
        after = self.meter.read()
        worked = None
        if before.cpu_seconds is not None and after.cpu_seconds is not None:
            worked = after.cpu_seconds - before.cpu_seconds
        return Run(
            done=run.done,
            seconds=run.seconds,
            client_cpu_seconds=run.client_cpu_seconds,
            server_cpu_seconds=worked,
            wal_bytes=after.wal_bytes - before.wal_bytes,
            pages_logged=after.pages_logged - before.pages_logged,
        )
