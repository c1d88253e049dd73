"""Every column in which something personal could stand is declared: it goes, or it says nothing."""

import pytest
from django.db import connection

from common import personal

# Tables that know no member, or one only by number, and hold nothing a member is.
WITHOUT_MEMBERS = (
    "auth_", "axes_", "campaigns_", "django_", "oauth2_", "partners_", "programme_",
    "common_approval", "common_idempotencyrecord", "common_job", "common_outboxevent",
    "common_secondfactor",
    "members_attribute", "members_consenttext", "members_tag", "messaging_sandboxcode",
    "messaging_wording", "points_funding", "points_grantbatch", "tiers_beginning",
    "tiers_ladderterms", "tiers_level", "tiers_startinglevel",
)  # fmt: skip
# What is never changed: a member number, documents and goods, what staff decided and why. Forms
# keep phones, e-mails and ID numbers out of it.
STAYS = {
    "common_auditrecord", "messaging_choice", "members_consent", "points_activity", "points_entry",
    # What a family calls itself is the others' too; it goes when the group ends.
    "members_group", "points_notice", "tiers_decision", "tiers_downgradewarning",
    "tiers_standing", "points_pending",
}  # fmt: skip
TEXTS = """
    SELECT c.table_name, c.column_name FROM information_schema.columns AS c
    JOIN information_schema.tables AS t USING (table_schema, table_name)
    WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
        AND c.udt_name IN ('text', 'varchar', 'bpchar', 'jsonb', 'json', 'bytea', '_text',
            '_varchar', 'inet')
"""


@pytest.mark.django_db
def test_every_text_of_a_member_goes_or_says_nothing():
    with connection.cursor() as cursor:
        cursor.execute(TEXTS)
        found = cursor.fetchall()

    declared = personal.tables()
    forgotten = []
    for table, column in sorted(found):
        if table.startswith(WITHOUT_MEMBERS) and table not in declared:
            continue
        one = declared.get(table)
        if table in STAYS or (
            one and (not one.blank or column in one.blank or column in one.keeps)
        ):
            continue
        forgotten.append(f"{table}.{column}")
    assert forgotten == []


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
        ("发票 20260615001", False),
        ("会员 M0000000018 申请", False),
        ("门店小票 SH-2026-06-15-000123", False),
        ("", False),
    ],
)
def test_reasons_that_name_somebody_are_known(text, expected):
    assert personal.names_somebody(text) is expected
