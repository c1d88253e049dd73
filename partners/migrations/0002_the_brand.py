from django.db import migrations


def add(apps, schema_editor):
    organization = apps.get_model("partners", "Organization").objects.create(
        kind="BRAND", code="BRAND", name="品牌"
    )
    apps.get_model("partners", "Store").objects.create(
        organization=organization, code="MAIN", name="总店"
    )


class Migration(migrations.Migration):
    """Give every installation its brand and a first store; staff rename them."""

    dependencies = [("partners", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunPython(add, migrations.RunPython.noop),
        migrations.RunSQL(
            "SELECT common_keep_rows('partners_organization'), common_keep_rows('partners_store'),"
            " common_keep_rows('partners_apiclient')",
            migrations.RunSQL.noop,
        ),
    ]
