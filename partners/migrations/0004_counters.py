import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """At which store's counter a login serves."""

    dependencies = [
        ("partners", "0003_placements"),
    ]
    operations = [
        migrations.AddField(
            model_name="placement",
            name="store",
            field=models.ForeignKey(blank=True, help_text="At whose counter the login serves. Empty: at none.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="partners.store", verbose_name="store"),
        ),
        migrations.AddConstraint(
            model_name="placement",
            constraint=models.CheckConstraint(condition=models.Q(("store", None), ("organization__isnull", False), _connector="OR"), name="partners_placement_store_is_of_a_dealer"),
        ),
        migrations.AlterModelOptions(
            name="placement",
            options={"permissions": [("serve_placement", "Can serve members at the counter of their own store")], "verbose_name": "dealer of a login", "verbose_name_plural": "dealers of logins"},
        ),
    ]
