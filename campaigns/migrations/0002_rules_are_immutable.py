from django.db import migrations


class Migration(migrations.Migration):
    """Let the earning rules of a published version never change."""

    dependencies = [
        ("campaigns", "0001_initial"),
        ("programme", "0002_published_is_immutable"),
    ]
    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON campaigns_earningrule"
            " FOR EACH ROW EXECUTE FUNCTION programme_rule_is_immutable()",
            "DROP TRIGGER immutable ON campaigns_earningrule",
        )
    ]
