"""Historical members from a file, beside the same rows copied into a table without anything."""

import csv
import io
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from django.utils import timezone

from benchmarks import seeding, server
from benchmarks.measuring import Aim, Bench, Row, Run
from campaigns.member_files import bringing, fields, mapping
from campaigns.member_files.reading import Terms
from common import tables
from members import operations
from members.products import normalize
from partners.models import Store
from partners.queries import brand

OVER_ONE_BY_ONE = Aim(10)

HEADER = (
    "external_number", "name", "sex", "phone", "email", "birthday", "province", "city", "joined_on",
    "product", "product_name", "purchased_on",
)  # fmt: skip
# What is put into a file for a turn: more than it can do.
ROWS_PER_SECOND = 15_000
STARTING_POINTS = 100
BARE = (
    f"CREATE TABLE IF NOT EXISTS benchmark_bare_member ({', '.join(f'{n} text' for n in HEADER)})"
)
COPY = "COPY benchmark_bare_member FROM STDIN (FORMAT csv)"
# Behind all those that other parts may still seed, and those of an earlier run.
BEHIND = """
    SELECT
        setval(pg_get_serial_sequence('members_member', 'id'), greatest(%(last)s, max(id))),
        setval('members_member_number', greatest(%(last)s, max(substr(number, 2, 9)::bigint)))
    FROM members_member
"""
# The highest of our rows that is in the database; VINs of seeded members begin otherwise.
LATEST = """
    SELECT coalesce(max(substr(identifier, 4))::bigint, 0) FROM members_product
    WHERE identifier LIKE 'LFV%'
"""


class BareCopy:
    """What the server does with the rows if nothing is read out of them, and nothing kept."""

    name = "COPY of the same rows into a table without keys"

    def __init__(self, people: Iterator[tuple[str, ...]]) -> None:
        self._chunk = _lines(people, bringing.CHUNK_ROWS)

    def run(self, seconds: float) -> Run:
        done, start = 0, time.monotonic()
        with server.cursor() as cursor:
            while time.monotonic() - start < seconds:
                cursor.copy_expert(COPY, io.StringIO(self._chunk))
                done += bringing.CHUNK_ROWS
            elapsed = time.monotonic() - start
            cursor.execute("TRUNCATE benchmark_bare_member")
        return Run(done, elapsed)


class Import:
    """The import, as the command does it: another file each turn."""

    name = "members from a file, with starting points"

    def __init__(self, people: Iterator[tuple[str, ...]]) -> None:
        self._people = people

    def run(self, seconds: float) -> Run:
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as file:
            rows = int(seconds * ROWS_PER_SECOND)
            file.write(",".join(HEADER) + "\r\n" + _lines(self._people, rows))
            file.flush()
            return _import(Path(file.name), seconds)


class OneByOne:
    """Each member by the operation that a dealer's system calls, without points."""

    name = "members enrolled one by one"

    def __init__(self, people: Iterator[tuple[str, ...]], store: Store) -> None:
        self._people = people
        self._store = store

    def run(self, seconds: float) -> Run:
        done, start, worked = 0, time.monotonic(), time.process_time()
        while time.monotonic() - start < seconds:
            told = dict(zip(HEADER, next(self._people), strict=True))
            operations.enroll(
                profile=operations.Profile(
                    name=told["name"],
                    phone=told["phone"],
                    email=told["email"],
                    sex="FEMALE" if told["sex"] == "女" else "MALE",
                    birthday=date.fromisoformat(told["birthday"]),
                    province=told["province"],
                    city=told["city"],
                ),
                joined_at=datetime.fromisoformat(told["joined_on"]).replace(tzinfo=UTC),
                active=False,
                store_id=self._store.pk,
                product=operations.ProductFacts(identifier=normalize(told["product"])),
                external=(self._store.organization_id, told["external_number"]),
            )
            done += 1
        return Run(done, time.monotonic() - start, time.process_time() - worked)


def measure(bench: Bench, store: Store) -> list[Row]:
    with server.cursor() as cursor:
        cursor.execute(BARE)
        cursor.execute(BEHIND, {"last": seeding.last_member(bench.options)})
        cursor.execute(LATEST)
        people = _people(count(cursor.fetchone()[0] + 1))
    bulk, one_by_one = bench.take_turns(
        yardstick=BareCopy(people), loads=[(Import(people), None), (OneByOne(people, store), None)]
    )
    return [bulk.row(), one_by_one.row(), bulk.over(one_by_one, OVER_ONE_BY_ONE)]


def _import(path: Path, seconds: float) -> Run:
    table = tables.read(path)
    organization = brand()
    assert organization is not None, "a migration makes it"
    plan = bringing.Plan(
        table=table,
        mapping=mapping.Mapping(columns=fields.guess(table.header, {})),
        organization=organization,
        terms=Terms(points=STARTING_POINTS),
        tags=["benchmark"],
    )
    run = bringing.begin(plan=plan, again=False, now=timezone.now())
    done, start, worked = 0, time.monotonic(), time.process_time()
    for report in bringing.bring(plan=plan, run=run, clock=timezone.now, note=_ignore):
        if report.refused:
            raise SystemExit(f"Good rows were refused: {report.codes}")
        done += report.rows
        if time.monotonic() - start > seconds:
            break
    return Run(done, time.monotonic() - start, time.process_time() - worked)


def _lines(people: Iterator[tuple[str, ...]], rows: int) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(islice(people, rows))
    return text.getvalue()


def _people(numbers: Iterator[int]) -> Iterator[tuple[str, ...]]:
    """One row for each number."""
    for n in numbers:
        chance = random.Random(n)
        joined = date(2012, 1, 1) + timedelta(days=chance.randrange(5000))
        yield (
            f"H{n}",
            seeding.name(chance),
            "女" if n % 2 else "男",
            f"139{n:08d}",
            f"h{n}@example.com",
            (date(1971, 1, 1) + timedelta(days=chance.randrange(12_000))).isoformat(),
            "上海市",
            "上海市",
            joined.isoformat(),
            f"LFV{n:014d}",
            "轿车",
            joined.isoformat(),
        )


def _ignore(_reads: object) -> None:
    """Nobody asked for the refused rows."""
