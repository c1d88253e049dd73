"""Loads that take turns with their yardstick, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from benchmarks.server import Meter


@dataclass(frozen=True)
class Run:
    """What one turn of a load brought."""

    done: int
    seconds: float
    # Of the load's own processes, or of the web server behind them.
    client_cpu_seconds: float | None = None
    server_cpu_seconds: float | None = None
    wal_bytes: int = 0

    @property
    def per_second(self) -> float:
        return self.done / self.seconds

    def each(self, total: float | None) -> float | None:
        return None if total is None else total / max(self.done, 1)


class Load(Protocol):
    """Something to do as often as possible for a while."""

    name: str

    def run(self, seconds: float) -> Run: ...


@dataclass
class Result:
    """A load beside its yardstick over all rounds."""

    name: str
    yardstick: str
    aim: float | None = None
    runs: list[Run] = field(default_factory=list)
    yardstick_runs: list[Run] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.runs, self.yardstick_runs, strict=True)
        return [run.per_second / yardstick.per_second for run, yardstick in pairs]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def per_second(self) -> float:
        return median(run.per_second for run in self.runs)

    @property
    def server_cpu_us(self) -> float | None:
        return _median(run.each(run.server_cpu_seconds) for run in self.runs)

    @property
    def yardstick_cpu_us(self) -> float | None:
        return _median(run.each(run.server_cpu_seconds) for run in self.yardstick_runs)

    @property
    def client_cpu_us(self) -> float | None:
        return _median(run.each(run.client_cpu_seconds) for run in self.runs)

    @property
    def wal_bytes(self) -> float:
        return median(run.wal_bytes / max(run.done, 1) for run in self.runs)


def _median(figures) -> float | None:
    known = [figure * 1e6 for figure in figures if figure is not None]
    return median(known) if known else None


def take_turns(
    *,
    yardstick: Load,
    loads: Sequence[tuple[Load, float | None]],
    meter: Meter,
    seconds: float,
    rounds: int,
) -> list[Result]:
    """Run yardstick, load, yardstick, load … after a short turn of each to warm up."""
    results = [Result(load.name, yardstick.name, aim) for load, aim in loads]
    for load in (yardstick, *(load for load, _ in loads)):
        load.run(min(1.0, seconds))
    for _ in range(rounds):
        for (load, _aim), result in zip(loads, results, strict=True):
            result.yardstick_runs.append(_metered(yardstick, meter, seconds))
            result.runs.append(_metered(load, meter, seconds))
    return results


def _metered(load: Load, meter: Meter, seconds: float) -> Run:
    before = meter.read()
    run = load.run(seconds)
    after = meter.read()
    worked = None
    if before.cpu_seconds is not None and after.cpu_seconds is not None:
        worked = after.cpu_seconds - before.cpu_seconds
    return Run(
        done=run.done,
        seconds=run.seconds,
        client_cpu_seconds=run.client_cpu_seconds,
        server_cpu_seconds=worked,
        wal_bytes=after.wal_bytes - before.wal_bytes,
    )
