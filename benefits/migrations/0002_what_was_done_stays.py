from django.db import migrations

RULES = """
    CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON benefits_benefitterms
        FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable();
    CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON benefits_benefit
        FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable();
    SELECT common_make_append_only('benefits_step');
    SELECT common_keep_rows('benefits_right');
    SELECT common_keep_rows('benefits_rating');
    ALTER TABLE benefits_right SET (fillfactor = 85);
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_step;
    DROP TRIGGER immutable ON benefits_benefit;
    DROP TRIGGER immutable ON benefits_benefitterms;
"""


class Migration(migrations.Migration):
    """Let published benefits and every step of a right never change."""

    dependencies = [
        ("benefits", "0001_initial"),
        ("programme", "0002_published_is_immutable"),
        ("common", "0002_append_only"),
    ]
    operations = [migrations.RunSQL(RULES, UNDO)]
