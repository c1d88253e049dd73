from django.db import migrations


class Migration(migrations.Migration):
    """Count member numbers with a sequence: no two enrolments wait for each other."""

    dependencies = [("members", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE members_member_number MINVALUE 1 MAXVALUE 999999999 NO CYCLE",
            "DROP SEQUENCE members_member_number",
        ),
        migrations.RunSQL("SELECT common_keep_rows('members_member')", migrations.RunSQL.noop),
    ]
