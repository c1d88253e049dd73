from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"

# 70 leaves room on the page for the next version of the row, so an update touches no index (HOT).
# What must not be negative is so by its type: the server reads the text of a CHECK anew at every
# UPDATE, a domain's once per session.
STORAGE = """
    CREATE DOMAIN points_natural AS bigint CONSTRAINT points_are_not_negative CHECK (VALUE >= 0);
    CREATE DOMAIN points_positive AS bigint CONSTRAINT points_are_positive CHECK (VALUE > 0);
    ALTER TABLE points_account
        ALTER COLUMN pending TYPE points_natural, ALTER COLUMN held TYPE points_natural;
    ALTER TABLE points_lot ALTER COLUMN remaining TYPE points_positive;
    ALTER TABLE points_pending ALTER COLUMN points TYPE points_positive;
    ALTER TABLE points_hold ALTER COLUMN points TYPE points_positive;
    ALTER TABLE points_account SET (
        fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000
    );
    ALTER TABLE points_lot SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
    SELECT common_make_append_only('points_entry');
    SELECT common_make_append_only('points_activity');
    SELECT common_make_append_only('points_funding');
    SELECT common_make_append_only('points_notice');
    SELECT common_keep_rows('points_merge');
    SELECT common_keep_rows('points_grantbatch');
    SELECT common_keep_rows('points_grantrow');
"""

FUNCTIONS = (
    "entry_rules", "funding_rules", "credit", "many", "take", "debit", "hold", "vest", "expire",
    "reverse", "reinstate", "transfer", "pool", "merge", "purchase",
    "activity",
)  # fmt: skip

UNDO = """
    DROP TRIGGER append_only ON points_entry;
    DROP TRIGGER append_only ON points_activity;
    DROP TRIGGER append_only ON points_funding;
    DROP TRIGGER append_only ON points_notice;
"""


class Migration(migrations.Migration):
    """Make the ledger append-only and give it its functions."""

    dependencies = [("points", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(STORAGE, UNDO),
        *(
            migrations.RunSQL((SQL / f"{name}.sql").read_text(), migrations.RunSQL.noop)
            for name in FUNCTIONS
        ),
    ]
