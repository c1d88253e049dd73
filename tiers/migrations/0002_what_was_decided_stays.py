from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"

RULES = """
    CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON tiers_ladderterms
        FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable();
    CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON tiers_level
        FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable();
    CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON tiers_startinglevel
        FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable();
    SELECT common_make_append_only('tiers_beginning');
    SELECT common_make_append_only('tiers_decision');
    SELECT common_make_append_only('tiers_downgradewarning');
    SELECT common_keep_rows('tiers_standing');
    SELECT common_keep_rows('tiers_gathered');
    SELECT common_keep_rows('tiers_proposal');
    ALTER TABLE tiers_standing SET (fillfactor = 80);
    ALTER TABLE tiers_gathered SET (fillfactor = 90);
"""

UNDO = """
    DROP TRIGGER append_only ON tiers_downgradewarning;
    DROP TRIGGER append_only ON tiers_decision;
    DROP TRIGGER append_only ON tiers_beginning;
    DROP TRIGGER immutable ON tiers_startinglevel;
    DROP TRIGGER immutable ON tiers_level;
    DROP TRIGGER immutable ON tiers_ladderterms;
    DROP FUNCTION tiers_gather;
"""


class Migration(migrations.Migration):
    """Let a published ladder and every decision never change, and count in one round trip."""

    dependencies = [
        ("tiers", "0001_initial"),
        ("programme", "0002_published_is_immutable"),
        ("common", "0002_append_only"),
    ]
    operations = [
        migrations.RunSQL(RULES, UNDO),
        migrations.RunSQL((SQL / "gather.sql").read_text(), migrations.RunSQL.noop),
    ]
