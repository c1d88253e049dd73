from django.db import migrations

TABLES = ("campaigns_earningrule", "campaigns_boost")


class Migration(migrations.Migration):
    """Let the earning rules and boosts of a published version never change."""

    dependencies = [
        ("campaigns", "0001_initial"),
        ("programme", "0002_published_is_immutable"),
    ]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable()",
            f"DROP TRIGGER immutable ON {table}",
        )
        for table in TABLES
    ]
