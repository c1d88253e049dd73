import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):
    """Members are told of their orders in the order in which steps were recorded."""

    dependencies = [
        ("benefits", "0023_payments_stay"),
    ]
    operations = [
        migrations.AddIndex(
            model_name="orderstep",
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["recorded_at"], name="benefits_orderstep_recorded", pages_per_range=64),
        ),
    ]
