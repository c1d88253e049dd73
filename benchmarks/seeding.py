"""
A programme of many members, each with a ledger that adds up.

Members are made by the platform's own functions and copied in, because only they can seal phones
and cut names; the ledger is made set by set. Statistics are renewed after each table: with stale
ones the planner reads whole indexes and the figures are worth nothing.
"""

import io
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.utils import timezone

from benchmarks import plain_orm, server
from benchmarks.options import Options
from common.fields import seal
from members.numbers import member_number
from members.queries import name_parts, phone_index
from partners.models import Store
from partners.queries import main_store
from programme import documents, operations, queries
from programme.management.commands.load_programme import SHIPPED

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾"
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂兰玉萍英华红辉鹏飞建国志海燕婷雪琳浩宇轩梓涵子怡一诺欣"
)
JOINED = datetime(2024, 1, 1, tzinfo=UTC)
BATCH = 50_000

# What one member of a seeded programme looks like to the loads.
LOT_POINTS = (80, 120)
REDEMPTION_POINTS = (160, 240)

MARK = "CREATE TABLE IF NOT EXISTS benchmark_seed (members bigint, lots bigint)"

RAW = """
    CREATE TABLE benchmark_raw_account (id bigint PRIMARY KEY, balance bigint NOT NULL)
        WITH (fillfactor = 70);
    CREATE TABLE benchmark_raw_entry (
        id bigserial PRIMARY KEY, account_id bigint NOT NULL, points bigint NOT NULL
    );
    INSERT INTO benchmark_raw_account SELECT g, 0 FROM generate_series(1, %(members)s) AS g
"""

# Each member's latest earn came from a purchase.
ACTIVITIES = """
    INSERT INTO points_activity (
        member_id, issuer_id, store_id, version_id, occurred_at, points, amount, kind, reference,
        fingerprint, lines, explanation
    )
    SELECT
        m, %(issuer)s, %(store)s, %(version)s, now() - interval '1 day', 10, 100, 'PURCHASE',
        (100000000000000000 + %(lots)s::bigint * 1000000000 + m)::text, '\\x00', '[]', '{}'
    FROM generate_series(1, %(members)s) AS m
"""

# In the order of time, as a ledger grows: one member's entries lie on as many pages.
ENTRIES = """
    INSERT INTO points_entry (
        member_id, seq, kind, type, points, balance_after, effective_at, expires_on, issuer_id,
        reference, store_id, version_id, activity_id
    )
    SELECT
        e.member, e.seq, 'EARN', 'CONSUMPTION', e.points,
        sum(e.points) OVER (PARTITION BY e.member ORDER BY e.seq), e.at,
        (date_trunc('month', e.at) + interval '13 months - 1 day')::date,
        %(issuer)s, e.reference, %(store)s, %(version)s, a.id
    FROM (
        SELECT
            m AS member, s AS seq,
            %(least)s + (hashint8(m * 1009 + s) & 65535) %% %(spread)s AS points,
            now() - (%(lots)s - s) * interval '340 days' / %(lots)s - interval '1 day' AS at,
            (100000000000000000 + s::bigint * 1000000000 + m)::text AS reference
        FROM generate_series(1, %(members)s) AS m, generate_series(1, %(lots)s) AS s
    ) AS e
    LEFT JOIN points_activity AS a
        ON a.reference = e.reference AND a.issuer_id = %(issuer)s AND a.kind = 'PURCHASE'
    ORDER BY e.seq, e.member
"""

LOTS = """
    INSERT INTO points_lot (member_id, expires_on, seq, points, remaining)
    SELECT member_id, expires_on, seq, points, points FROM points_entry ORDER BY seq, member_id
"""

ACCOUNTS = """
    INSERT INTO points_account (member_id, balance, seq)
    SELECT member_id, sum(points), max(seq) FROM points_entry GROUP BY member_id ORDER BY member_id
"""


def seed(options: Options) -> Store:
    """Fill an empty database, or find it filled as asked, and return the store that posts."""
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(MARK)
        cursor.execute("SELECT members, lots FROM benchmark_seed")
        seeded = cursor.fetchone()
        cursor.execute("SELECT EXISTS (SELECT FROM members_member)")
        if seeded is None and cursor.fetchone()[0]:
            raise SystemExit("This database holds members. Benchmarks need one of their own.")
        if seeded not in (None, (options.members, options.lots)):
            raise SystemExit(f"This database was seeded with members={seeded[0]} lots={seeded[1]}.")
        if seeded is None:
            _load_programme()
            fill_members(cursor, 1, options.members)
            fill_ledger(cursor, members=options.members, lots=options.lots)
            _fill_yardsticks(cursor, options)
            cursor.execute(
                "INSERT INTO benchmark_seed VALUES (%s, %s)", (options.members, options.lots)
            )
    connection.close()
    store = main_store()
    assert store is not None, "a migration makes it"
    return store


def fill_members(cursor, first: int, last: int) -> None:
    """Make the members first … last, with phones and, each third, a car."""
    chance = random.Random(first)
    for start in range(first, last + 1, BATCH):
        rows = [_member(n, chance) for n in range(start, min(start + BATCH, last + 1))]
        _copy(
            cursor,
            "members_member (id, number, status, name, name_parts, sex, phone, email, id_number,"
            " province, city, joined_at, activated_at)",
            (row[:-1] for row in rows),
        )
        _copy(
            cursor,
            "members_phonedirectory (member_id, phone_index)",
            ((row[0], row[-1]) for row in rows),
        )
    cursor.execute(
        "INSERT INTO members_product (member_id, identifier, name)"
        " SELECT g, 'LSV' || lpad(g::text, 14, '0'), '轿车'"
        " FROM generate_series(%s, %s) AS g WHERE g %% 3 = 0",
        (first, last),
    )
    cursor.execute("SELECT setval('members_member_number', %s)", (last,))
    cursor.execute("SELECT setval(pg_get_serial_sequence('members_member', 'id'), %s)", (last,))
    for table in ("members_member", "members_phonedirectory", "members_product"):
        cursor.execute(f"VACUUM ANALYZE {table}")


def fill_ledger(cursor, *, members: int, lots: int) -> None:
    """Give the members 1 … members so many earns, a month or so apart, all of them unspent."""
    store = main_store()
    assert store is not None, "a migration makes it"
    facts = {
        "members": members,
        "lots": lots,
        "issuer": store.organization_id,
        "store": store.pk,
        "version": queries.rulebook_on(timezone.localdate()).id,
        "least": LOT_POINTS[0],
        "spread": LOT_POINTS[1] - LOT_POINTS[0] + 1,
    }
    for table, statement in {
        "points_activity": ACTIVITIES,
        "points_entry": ENTRIES,
        "points_lot": LOTS,
        "points_account": ACCOUNTS,
    }.items():
        cursor.execute(statement, facts)
        cursor.execute(f"VACUUM ANALYZE {table}")


def phone(n: int) -> str:
    return f"+86138{n:08d}"


def vin(n: int) -> str:
    """The car of each third member."""
    return f"LSV{n:014d}"


def verify() -> int:
    """Return how many differences the ledger's own proof finds."""
    from points import nightly

    return nightly.verify_ledger(day=timezone.localdate())["differences"]


def _load_programme() -> None:
    document = documents.parse((SHIPPED / "plain.yaml").read_text(encoding="utf-8"))
    operations.load(document=document, published_at=timezone.now())


def _fill_yardsticks(cursor, options: Options) -> None:
    cursor.execute(RAW, {"members": options.members})
    cursor.execute("VACUUM ANALYZE benchmark_raw_account")
    plain_orm.create_tables(cursor)


def _member(n: int, chance: random.Random) -> tuple:
    name = chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2))))
    return (
        n,
        member_number(n),
        "ACTIVE",
        name,
        "{" + ",".join(name_parts(name)) + "}",
        "FEMALE" if n % 2 else "MALE",
        seal(phone(n), column="members_member.phone"),
        "",
        "",
        "上海",
        "上海",
        JOINED,
        JOINED,
        "\\\\x" + phone_index(phone(n)).hex(),
    )


def _copy(cursor, table: str, rows: Iterable[tuple]) -> None:
    lines: Iterator[str] = ("\t".join(map(str, row)) + "\n" for row in rows)
    cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO("".join(lines)))
