"""How long the console takes to find a member among all of them: milliseconds, not ratios."""

import random
import time
from dataclasses import dataclass
from statistics import median

from benchmarks import seeding, server
from benchmarks.options import Options
from members import queries
from members.models import Member
from members.numbers import member_number

TRIES = 20


@dataclass(frozen=True)
class Figure:
    name: str
    members: int
    median_ms: float
    worst_ms: float


def measure(options: Options) -> list[Figure]:
    """Fill up to the number asked for, then ask as staff do: TRIES questions of each kind."""
    total = seeding.last_member(options)
    # Those behind came by files (benchmarks.members).
    present = Member.objects.filter(pk__lte=total).count()
    if total > present:
        with server.cursor() as cursor:
            seeding.fill_members(cursor, present + 1, total)
    chance = random.Random(7)
    drawn = [chance.randint(1, total) for _ in range(TRIES)]
    names = list(Member.objects.filter(pk__in=drawn).values_list("name", flat=True))
    kinds = {
        "phone": [seeding.phone(n)[3:] for n in drawn],
        "member number": [member_number(n) for n in drawn],
        "VIN": [seeding.vin(n - n % 3 or 3) for n in drawn],
        "whole name": names,
        "two characters of a name": [name[-2:] for name in names],
        "surname": [name[0] for name in names],
    }
    return [_timed(kind, texts, total) for kind, texts in kinds.items()]


def _timed(kind: str, texts: list[str], members: int) -> Figure:
    times = []
    for text in texts:
        start = time.perf_counter()
        found = list(queries.search(text)[:50])
        times.append((time.perf_counter() - start) * 1000)
        assert found, f"nobody was found by {kind} {text}"
    return Figure(kind, members, median(times), max(times))
