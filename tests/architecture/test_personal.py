"""Every table that knows a member, or holds a text, is declared: what goes, what stays and why."""

import pytest
from django.apps import apps
from django.db import connection

from common import personal

# Tables that know no member and hold no word about one, by how their names begin.
ABOUT_NOBODY = {
    "auth_": "Roles of staff.",
    "axes_": "Failed logins by user name; a member's is the number, or a hash of what was typed.",
    "benefits_": "What tiers get; what knows a member is declared.",
    "campaigns_": "Rules, sums and runs; what knows a member is declared.",
    "common_approval": "Requests of staff: numbers and figures; reasons are looked at.",
    "common_idempotencyrecord": "Answers of the API, masked, for a week.",
    "common_job": "What ran in the night; errors without the database's details.",
    "common_outboxevent": "Events by id.",
    "common_secondfactor": "Of staff.",
    "django_": "Sessions end with an erasure; the rest is the framework's.",
    "members_attribute": "What the brand asks, not what members said.",
    "members_consenttext": "What members read.",
    "members_tag": "Words for many.",
    "messaging_sandboxcode": "Codes of a sandbox, for a day.",
    "messaging_telling": "How far telling has come.",
    "messaging_wording": "Texts for everybody.",
    "oauth2_": "Tokens of API clients.",
    "partners_": "Organizations, stores and their clients.",
    "programme_": "The rulebook.",
    "tiers_": "The ladder; what knows a member is declared.",
}
# What knows a member by number in a text, or by an id that is no foreign key.
KNOWS_MEMBERS = {"members_member", "members_historicalmember", "common_user", "common_auditrecord"}
TEXTS = """
    SELECT c.table_name, c.column_name FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
        AND c.udt_name IN ('text', 'varchar', 'bpchar', 'jsonb', 'json', 'bytea', '_text',
            '_varchar', 'inet')
"""


def tables_of_members() -> set[str]:
    """Those whose rows belong to a member, or to a row that does."""
    found = {"members_member"}
    references = [
        (model._meta.db_table, field.related_model._meta.db_table)
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.concrete_fields
        if field.is_relation and field.related_model
    ]
    while more := {table for table, to in references if to in found} - found:
        found |= more
    return found | KNOWS_MEMBERS


def about_nobody(table: str) -> bool:
    return table.startswith(tuple(ABOUT_NOBODY))


@pytest.mark.django_db
def test_every_text_of_a_member_goes_or_says_nothing():
    with connection.cursor() as cursor:
        cursor.execute(TEXTS)
        found = cursor.fetchall()

    declared = personal.tables()
    forgotten = []
    for table, column in sorted(found):
        one = declared.get(table)
        if one is None and (table in personal.staying() or about_nobody(table)):
            continue
        if one and (not one.blank or column in one.blank or column in one.keeps):
            continue
        forgotten.append(f"{table}.{column}")
    assert forgotten == []


def test_every_table_of_members_goes_or_stays_for_a_reason():
    declared = personal.tables().keys() | personal.staying().keys()
    assert sorted(tables_of_members() - declared) == []
    assert all(why.strip() for why in personal.staying().values())
    # What stays is not erased as well.
    assert personal.tables().keys() & personal.staying().keys() == set()


def test_every_table_of_members_is_in_the_file_they_get_or_says_why_not():
    assert sorted(tables_of_members() - personal.told().keys()) == []


@pytest.mark.django_db
def test_what_is_declared_of_tables_is_of_tables_there_are():
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
    declared = {*personal.tables(), *personal.staying(), *personal.told()}
    assert declared - there == set()


@pytest.mark.django_db
def test_what_is_declared_exists_and_can_be_asked():
    assert personal.left([0]) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("来电 138 0013 8000", True),
        ("+86 13800138000", True),
        ("139-1234-5678", True),
        ("王 wang@example.com", True),
        ("证件 31010119900101123X", True),
        ("证件 310101 19900101 123X", True),
        ("电话１３８００１３８０００", True),
        ("wang＠example．com", True),
        ("发票 20260615001", False),
        ("会员 M0000000018 申请", False),
        ("门店小票 SH-2026-06-15-000123", False),
        ("", False),
    ],
)
def test_reasons_that_name_somebody_are_known(text, expected):
    assert personal.names_somebody(text) is expected
