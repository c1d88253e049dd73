"""
What there is to do at night: each room declares its jobs here, `common.nights` does them.

A job says which ranges of ids there is work for (its plan), and does one range in one transaction.
It must find only what is left to do, because a range may come a second time. Who does the ranges,
how many at once and what follows a crash is no concern of the room.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet

# Lines for people that a run keeps, however many its chunks found.
FINDINGS_MAX = 100

Range = tuple[int, int]
Plan = Callable[[date], Iterable[Range]]


class Work(Protocol):
    """Does the ids low … high, both inclusive, of one day, inside the caller's transaction."""

    def __call__(self, *, day: date, low: int, high: int) -> Mapping[str, int | list[str]]: ...


@dataclass(slots=True)
class Done:
    """What a range, or all of them, came to."""

    figures: dict[str, int]
    findings: list[str] = field(default_factory=list)

    def add(self, other: "Done") -> None:
        for name, figure in other.figures.items():
            self.figures[name] += figure
        self.findings = (self.findings + other.findings)[:FINDINGS_MAX]

    def report(self) -> dict[str, Any]:
        """The figures, and under `findings` the lines for people, if there are any."""
        return {**self.figures, **({"findings": self.findings} if self.findings else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyJob:
    """A job as it was declared (`nightly` tells what each part means)."""

    name: str
    order: int
    title: Any
    plan: Plan
    work: Work
    figures: Mapping[str, Any]
    upkeep: bool
    alarm: str

    def __call__(self, *, day: date) -> dict[str, Any]:
        """
        Do a day's work here and now, one transaction a range, and return the report.

        Leaves no run behind and may be called again: for replays and tests.
        """
        total = self.nothing()
        for low, high in self.plan(day):
            with transaction.atomic():
                total.add(self.do(day=day, low=low, high=high))
        return total.report()

    def do(self, *, day: date, low: int, high: int) -> Done:
        """Do one range, inside the caller's transaction."""
        told: dict[str, Any] = dict(self.work(day=day, low=low, high=high))
        findings = told.pop("findings", [])
        assert told.keys() == self.figures.keys(), f"{self.name} tells other figures than declared"
        return Done(told, findings[:FINDINGS_MAX])

    def nothing(self) -> Done:
        return Done(dict.fromkeys(self.figures, 0))


@dataclass(slots=True)
class _Register:
    jobs: dict[str, NightlyJob] = field(default_factory=dict)


_register = _Register()


def nightly(
    *,
    name: str,
    order: int,
    title: Any,
    plan: Plan,
    figures: Mapping[str, Any],
    upkeep: bool = False,
    alarm: str = "",
) -> Callable[[Work], NightlyJob]:
    """
    Make a function `f(*, day, low, high)` part of every night.

    :param name: `<room>.<function>`, which stays in the tables
    :param order: jobs run in ascending order, each after the one before is over
    :param title: what staff call it
    :param plan: the ranges there is work for (`members_in`, `ids_in`)
    :param figures: what the function counts, with the words for it; the console's rate is of the
        first. Beside them it may return `findings`: lines for people
    :param upkeep: only the latest night need do it: it is not made up for days that were missed,
        and not played in a replay
    :param alarm: a figure that is nought unless something is wrong
    """

    def declare(work: Work) -> NightlyJob:
        job = NightlyJob(
            name=name,
            order=order,
            title=title,
            plan=plan,
            work=work,
            figures=figures,
            upkeep=upkeep,
            alarm=alarm,
        )
        _register.jobs[name] = job
        return job

    return declare


def nightly_jobs() -> list[NightlyJob]:
    """Return the night's timetable, first job first."""
    return sorted(_register.jobs.values(), key=lambda job: job.order)


def find(name: str) -> NightlyJob | None:
    return _register.jobs.get(name)


# --- Plans ----------------------------------------------------------------------------------------

MEMBERS = """
    SELECT min(member_id), max(member_id)
    FROM (
        SELECT member_id, (row_number() OVER (ORDER BY member_id) - 1) / %(size)s AS chunk
        FROM ({query}) AS found
    ) AS numbered
    GROUP BY chunk ORDER BY chunk
"""


def members_in(query: str) -> Plan:
    """
    Cut the members a query finds into ranges of `NIGHT_CHUNK_MEMBERS` each.

    :param query: SQL that selects `member_id`, once each; it may name `%(day)s`
    """

    def plan(day: date) -> list[Range]:
        with connection.cursor() as cursor:
            cursor.execute(
                MEMBERS.format(query=query), {"day": day, "size": settings.NIGHT_CHUNK_MEMBERS}
            )
            return cursor.fetchall()

    return plan


def ids_in(found: Callable[[date], QuerySet], *, size: int) -> Plan:
    """
    Cut what lies between the lowest and the highest id of what is found into ranges of `size` ids.
    """

    def plan(day: date) -> Iterator[Range]:
        ends = found(day).aggregate(low=Min("pk"), high=Max("pk"))
        if ends["low"] is not None:
            for start in range(ends["low"], ends["high"] + 1, size):
                yield start, min(start + size - 1, ends["high"])

    return plan
