from django.db import migrations


class Migration(migrations.Migration):
    """Keep the proof of what members were told: the application's role cannot delete it."""

    dependencies = [("messaging", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            "SELECT common_keep_rows('messaging_message'), common_keep_rows('messaging_delivery')",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            "SELECT common_make_append_only('messaging_choice')", migrations.RunSQL.noop
        ),
    ]
