import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):
    """Rights are told of in the order in which they were recorded."""

    dependencies = [
        ("benefits", "0031_coupons_keep_their_word"),
    ]
    operations = [
        migrations.AddIndex(
            model_name="step",
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["recorded_at"], name="benefits_step_recorded", pages_per_range=64),
        ),
    ]
