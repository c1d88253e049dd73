"""
Everything that is measured against: a programme of many members, each with a ledger that adds up,
and the tables of the yardsticks.

Members are made by the platform's own functions and copied in, because only they can seal phones
and cut names; the ledger is made set by set. Statistics are renewed after each table: with stale
ones the planner reads whole indexes and the figures are worth nothing.
"""

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.utils import timezone

from benchmarks import server
from benchmarks.options import LOT_POINTS, Options
from benchmarks.yardsticks import hordak
from common.fields import seal
from members import names
from members.numbers import member_number
from members.queries import phone_index, phone_tail_index
from partners.models import Store
from partners.queries import main_store
from points.operations import JudgedPurchase
from programme import documents, operations, queries
from programme.management.commands.load_programme import SHIPPED

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾"
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂兰玉萍英华红辉鹏飞建国志海燕婷雪琳浩宇轩梓涵子怡一诺欣"
)
JOINED = datetime(2024, 1, 1, tzinfo=UTC)
BATCH = 50_000

ENTRY_RULES = Path(__file__).resolve().parent.parent / "points" / "sql" / "entry_rules.sql"

MARK = "CREATE TABLE IF NOT EXISTS benchmark_seed (members bigint, lots bigint)"

RAW = """
    CREATE TABLE benchmark_raw_account (id bigint PRIMARY KEY, balance bigint NOT NULL)
        WITH (fillfactor = 70);
    CREATE TABLE benchmark_raw_entry (
        id bigserial PRIMARY KEY, account_id bigint NOT NULL, points bigint NOT NULL
    );
    INSERT INTO benchmark_raw_account SELECT g, 0 FROM generate_series(1, %(members)s) AS g
"""

LEDGER = ("points_activity", "points_entry", "points_lot", "points_account")

# Foreign keys first: they lean on the others.
KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u')
        AND (conrelid = ANY (%(tables)s::regclass[]) OR confrelid = ANY (%(tables)s::regclass[]))
    ORDER BY contype
"""
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY (%(tables)s::regclass[])
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""

PLAIN_TOKEN = "a-token-of-this-benchmark"

PLAIN = """
    INSERT INTO plain_store (code) SELECT code FROM partners_store ORDER BY id LIMIT 1;
    INSERT INTO plain_member (id, number, name)
        SELECT id, number, name FROM members_member ORDER BY id;
    INSERT INTO plain_account (id, member_id, balance, updated_at)
        SELECT member_id, member_id, balance, now() FROM points_account ORDER BY member_id;
    INSERT INTO plain_lot (account_id, points, remaining, expires_on)
        SELECT member_id, remaining, remaining, expires_on FROM points_lot ORDER BY seq, member_id;
    INSERT INTO auth_user (
        username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
        date_joined
    ) VALUES ('till', '', '', '', '', false, false, true, now());
    INSERT INTO authtoken_token (key, created, user_id)
        SELECT %(token)s, now(), id FROM auth_user;
"""

HORDAK_ACCOUNTS = 2_000
HORDAK = """
    INSERT INTO hordak_account (
        uuid, name, code, full_code, type, is_bank_account, currencies, lft, rght, tree_id, level
    )
    SELECT gen_random_uuid(), 'Member ' || n, n, n, 'LI', false, '["CNY"]', 1, 2, n, 0
    FROM generate_series(1, %(accounts)s) AS n
    ON CONFLICT DO NOTHING
"""

# Each member's latest earn came from a purchase.
ACTIVITIES = """
    INSERT INTO points_activity (
        id, member_id, issuer_id, store_id, version_id, occurred_at, points, amount, kind,
        reference, fingerprint, lines, explanation
    )
    SELECT
        m, m, %(issuer)s, %(store)s, %(version)s, now() - interval '1 day', 10, 100, 'PURCHASE',
        (100000000000000000 + %(lots)s::bigint * 1000000000 + m)::text, '\\x00', '[]', '{}'
    FROM generate_series(1, %(members)s) AS m;
    SELECT setval(pg_get_serial_sequence('points_activity', 'id'), %(members)s)
"""

# The entries of one number, so that a ledger is laid down in the order of time, as it grows: one
# member's entries lie on as many pages. What an even entry brings less than the middle, the odd one
# before it brought more.
ENTRIES = """
    INSERT INTO points_entry (
        member_id, seq, kind, type, points, qualifying, balance_after, effective_at, expires_on,
        issuer_id, reference, store_id, version_id, activity_id
    )
    SELECT
        m, %(seq)s, 'EARN', 'CONSUMPTION', worth, worth,
        %(middle)s * %(seq)s + CASE WHEN %(odd)s THEN more ELSE 0 END, at,
        (date_trunc('month', at) + interval '13 months - 1 day')::date, %(issuer)s,
        (100000000000000000 + %(seq)s::bigint * 1000000000 + m)::text, %(store)s, %(version)s,
        CASE WHEN %(purchases)s AND %(seq)s = %(lots)s THEN m END
    FROM
        generate_series(1, %(members)s) AS m,
        LATERAL (
            SELECT hashint8(m::bigint * 1009 + (%(seq)s + 1) / 2) %% (%(spread)s + 1) AS more
        ) AS pair,
        LATERAL (
            SELECT
                %(middle)s + CASE WHEN %(odd)s THEN more ELSE -more END AS worth,
                now() - (%(lots)s - %(seq)s) * interval '340 days' / %(lots)s - interval '1 day'
                    AS at
        ) AS this
"""

# In the order in which the entries lie.
LOTS = """
    INSERT INTO points_lot (member_id, expires_on, seq, remaining)
    SELECT member_id, expires_on, seq, points FROM points_entry
"""

ACCOUNTS = """
    INSERT INTO points_account (member_id, balance, qualifying, seq)
    SELECT member_id, balance_after, balance_after, seq FROM points_entry WHERE seq = %(lots)s
"""

# In the order of time. Each purchase is an odd entry; the even one after it spends its points.
PURCHASES_OF_HISTORY = """
    INSERT INTO points_activity (
        id, member_id, issuer_id, store_id, version_id, occurred_at, points, amount, kind,
        reference, fingerprint, lines, explanation
    )
    SELECT
        s * %(members)s + m, m, %(issuer)s, %(store)s, %(version)s,
        now() - (%(entries)s - s) * interval '1 hour', %(points)s, %(amount)s, 'PURCHASE',
        (s * %(members)s + m)::text, '\\x00', %(lines)s, %(explanation)s
    FROM generate_series(1, %(members)s) AS m, generate_series(1, %(entries)s, 2) AS s
    ORDER BY s, m
"""
ENTRIES_OF_HISTORY = """
    INSERT INTO points_entry (
        member_id, seq, kind, type, points, balance_after, effective_at, expires_on, issuer_id,
        reference, store_id, version_id, activity_id, lot_seq, lot_points, lot_expires_on
    )
    SELECT
        m, s, CASE WHEN earns THEN 'EARN' ELSE 'REDEEM' END, CASE WHEN earns THEN 'CONSUMPTION' END,
        CASE WHEN earns THEN %(points)s ELSE -%(points)s END,
        CASE WHEN earns THEN %(points)s ELSE 0 END,
        now() - (%(entries)s - s) * interval '1 hour', CASE WHEN earns THEN date '2099-12-31' END,
        %(issuer)s, (s * %(members)s + m)::text, %(store)s, %(version)s,
        CASE WHEN earns THEN s * %(members)s + m END,
        CASE WHEN NOT earns THEN ARRAY[s - 1] END,
        CASE WHEN NOT earns THEN ARRAY[-%(points)s] END,
        CASE WHEN NOT earns THEN ARRAY[date '2099-12-31'] END
    FROM
        generate_series(1, %(members)s) AS m, generate_series(1, %(entries)s) AS s,
        LATERAL (SELECT s %% 2 = 1 AS earns) AS odd
    ORDER BY s, m
"""


def seed(options: Options, say: Callable[[str], None]) -> Store:
    """Fill an empty database, or find it filled as asked, and return the store that posts."""
    with server.cursor() as cursor:
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
            say(f"Seeding {options.members:,} members")
            fill_members(cursor, 1, options.members)
            say(f"Seeding a ledger of {options.members * options.lots:,} lots and entries")
            fill_ledger(cursor, members=options.members, lots=options.lots)
            say("Seeding the yardsticks")
            _fill_raw(cursor, options)
            _fill_plain(cursor)
            cursor.execute(
                "INSERT INTO benchmark_seed VALUES (%s, %s)", (options.members, options.lots)
            )
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
            "members_member (id, number, status, name, name_spelled, name_parts, sex, phone, email,"
            " id_number, province, city, attributes, joined_at, activated_at)",
            (row[:-2] for row in rows),
        )
        _copy(
            cursor,
            "members_phonedirectory (member_id, phone_index, tail_index)",
            ((row[0], *row[-2:]) for row in rows),
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


def fill_ledger(cursor, *, members: int, lots: int, purchases: bool = True) -> None:
    """
    Give the members 1 … members so many earns, a month or so apart, all of them unspent.

    :param purchases: whether each member's latest earn came from a purchase in the journal
    """
    store = main_store()
    assert store is not None, "a migration makes it"
    least, most = LOT_POINTS
    facts = {
        "members": members,
        "lots": lots,
        "purchases": purchases,
        "issuer": store.organization_id,
        "store": store.pk,
        "version": queries.rulebook_on(timezone.localdate()).id,
        "middle": (least + most) // 2,
        "spread": (most - least) // 2,
    }
    with _bare(cursor, *LEDGER):
        if purchases:
            cursor.execute(ACTIVITIES, facts)
        for seq in range(1, lots + 1):
            cursor.execute(ENTRIES, facts | {"seq": seq, "odd": seq % 2 == 1})
        cursor.execute(LOTS)
        cursor.execute(ACCOUNTS, facts)


def fill_history(cursor, *, members: int, entries: int, purchase: JudgedPurchase) -> None:
    """Give the members 1 … members so many entries: purchases, each with its points spent next."""
    facts = {
        "members": members,
        "entries": entries,
        "points": purchase.points,
        "amount": purchase.amount,
        "issuer": purchase.source.issuer_id,
        "store": purchase.source.store_id,
        "version": purchase.source.version_id,
        "lines": json.dumps(purchase.lines),
        "explanation": json.dumps(purchase.explanation),
    }
    with _bare(cursor, *LEDGER):
        cursor.execute(PURCHASES_OF_HISTORY, facts)
        cursor.execute(ENTRIES_OF_HISTORY, facts)


@contextmanager
def ledger_of_its_own(schema: str):
    """
    Make a ledger's tables, empty, in a schema of their own, and yield a cursor that finds them.

    With their indexes, rules and room on pages, but without foreign keys: its members are numbers.
    """
    with server.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(
            "SELECT relname, array_to_string(reloptions, ', ') FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname LIKE 'points\\_%%'"
        )
        for table, storage in cursor.fetchall():
            # The rule about a whole entry would ask for a row of the other table.
            rules = "EXCLUDING" if table == "points_entry" else "INCLUDING"
            cursor.execute(
                f"CREATE TABLE {schema}.{table}"
                f" (LIKE public.{table} INCLUDING ALL {rules} CONSTRAINTS)"
            )
            if storage:
                cursor.execute(f"ALTER TABLE {schema}.{table} SET ({storage})")
        cursor.execute(f"SET search_path = {schema}, public")
        cursor.execute(ENTRY_RULES.read_text())
        cursor.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO PUBLIC")
        yield cursor


def phone(n: int) -> str:
    return f"+86138{n:08d}"


def name(chance: random.Random) -> str:
    """One of two or three characters, as people here are called."""
    return chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2))))


def last_member(options: Options) -> int:
    """The id of the last member that is seeded, sooner or later."""
    return max(options.searched, options.members)


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


def fill_hordak() -> str | None:
    """Make the tables and accounts of django-hordak; its packages, or None if there are none."""
    packages = hordak.packages()
    if packages is None:
        return None
    with server.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS hordak")
        _migrate("benchmarks.yardsticks.hordak.settings", packages=str(packages))
        cursor.execute("SET search_path = hordak")
        cursor.execute(HORDAK, {"accounts": HORDAK_ACCOUNTS})
        cursor.execute("VACUUM ANALYZE hordak_account")
    return str(packages)


def _fill_raw(cursor, options: Options) -> None:
    cursor.execute(RAW, {"members": options.members})
    cursor.execute("VACUUM ANALYZE benchmark_raw_account")


def _fill_plain(cursor) -> None:
    """The same members and lots as in the ledger, and the token of a till."""
    cursor.execute("CREATE SCHEMA plain")
    _migrate("benchmarks.yardsticks.plain.settings", "--run-syncdb")
    cursor.execute("SET search_path = plain, public")
    with _bare(cursor, "plain_member", "plain_account", "plain_lot"):
        cursor.execute(PLAIN, {"token": PLAIN_TOKEN})
    cursor.execute("RESET search_path")


def _migrate(settings: str, *arguments: str, packages: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--settings", settings, *arguments],
        env=os.environ | {"PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The tables of {settings} could not be made:\n{done.stderr}")


@contextmanager
def _bare(cursor, *tables: str):
    """
    Take indexes, keys and foreign keys off tables for as long as they are filled.

    Made at once from all rows, they cost a small part of what they cost row by row.
    """
    cursor.execute(KEYS, {"tables": list(tables)})
    keys = cursor.fetchall()
    cursor.execute(INDEXES, {"tables": list(tables)})
    indexes = cursor.fetchall()
    for table, name, _definition in keys:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for index, _definition in indexes:
        cursor.execute(f"DROP INDEX {index}")
    yield
    for _index, definition in indexes:
        cursor.execute(definition)
    for table, name, definition in reversed(keys):
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for table in tables:
        cursor.execute(f"VACUUM ANALYZE {table}")


def _member(n: int, chance: random.Random) -> tuple:
    called = name(chance)
    return (
        n,
        member_number(n),
        "ACTIVE",
        called,
        names.spelled(called),
        "{" + ",".join(names.parts(called)) + "}",
        "FEMALE" if n % 2 else "MALE",
        seal(phone(n), column="members_member.phone"),
        "",
        "",
        "上海",
        "上海",
        "{}",
        JOINED,
        JOINED,
        "\\\\x" + phone_index(phone(n)).hex(),
        "\\\\x" + phone_tail_index(phone(n)).hex(),
    )


def _copy(cursor, table: str, rows: Iterable[tuple]) -> None:
    lines: Iterator[str] = ("\t".join(map(str, row)) + "\n" for row in rows)
    cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO("".join(lines)))
