"""SQL looks down and writes at home; the functions in the database are the files in points/sql."""

import ast
import re

import pytest
from django.apps import apps
from django.db import connection

from tests.architecture.source import BASE, ROOMS, live_files, nodes, where

TABLE = re.compile(rf"\b(?:{'|'.join(ROOMS)})_[a-z_]+\b")
WRITE = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE(?:\s+ONLY)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY)"
    rf"\s+((?:{'|'.join(ROOMS)})_[a-z_]+)"
)
LOOKS_LIKE_SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s.*SET|DELETE\s+FROM|TRUNCATE)\b", re.S
)


def tables():
    return {
        model._meta.db_table: room
        for room in ROOMS
        for model in apps.get_app_config(room).get_models(include_auto_created=True)
    }


def statements():
    """Every piece of SQL of ours outside migrations: (room, where, text)."""
    for room in ROOMS:
        for path in live_files(room):
            for node in nodes(path):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and LOOKS_LIKE_SQL.search(node.value)
                ):
                    yield room, where(path, node), node.value
        for path in (BASE / room).rglob("*.sql"):
            text = re.sub(r"--.*", "", path.read_text())
            yield room, str(path.relative_to(BASE)), text


STATEMENTS = list(statements())


def test_there_is_sql_to_look_at():
    rooms = {room for room, _, _ in STATEMENTS}

    assert {"points", "common"} <= rooms


@pytest.mark.parametrize(("room", "place", "text"), STATEMENTS, ids=[s[1] for s in STATEMENTS])
class TestStatement:
    def test_reads_only_tables_of_rooms_below(self, room, place, text):
        owners = tables()
        above = {
            table
            for table in TABLE.findall(text)
            if table in owners and ROOMS.index(owners[table]) < ROOMS.index(room)
        }
        assert above == set()

    def test_writes_only_tables_of_its_own(self, room, place, text):
        owners = tables()
        foreign = {table for table in WRITE.findall(text) if owners.get(table, room) != room}
        assert foreign == set()


FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(.*?\bAS \$\$(.*?)\$\$", re.S)


def functions():
    return {
        name: body
        for path in sorted((BASE / "points" / "sql").glob("*.sql"))
        for name, body in FUNCTION.findall(path.read_text())
    }


@pytest.mark.django_db
def test_the_database_runs_what_the_files_say():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'points\\_%%'"
        )
        installed = cursor.fetchall()

    assert len(installed) == len(functions()), "an old signature was left behind"
    assert dict(installed) == functions()


@pytest.mark.django_db
def test_no_migration_is_missing():
    from io import StringIO

    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db
def test_what_must_not_change_cannot():
    """The tables whose rows are final carry the trigger, enabled, for every way to change one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgtype, tgenabled FROM pg_trigger"
            " WHERE tgname = 'append_only' ORDER BY 1"
        )
        found = cursor.fetchall()

    before, delete, update, truncate = 2, 8, 16, 32
    final = [
        "benefits_couponconflict",
        "benefits_couponstep",
        "benefits_drawoutcome",
        "benefits_itempicture",
        "benefits_orderstep",
        "benefits_paymentnews",
        "benefits_prizehandover",
        "benefits_step",
        "benefits_stockmove",
        "campaigns_evaluation",
        "campaigns_segmentmember",
        "common_auditrecord",
        "members_consent",
        "members_consenttext",
        "members_mergepart",
        "messaging_choice",
        "points_activity",
        "points_entry",
        "points_funding",
        "points_notice",
        "tiers_beginning",
        "tiers_decision",
        "tiers_downgradewarning",
    ]
    assert [table for table, _, _ in found] == final
    for table, kind, enabled in found:
        assert kind == before | delete | update | truncate, table
        assert enabled == "O", table
