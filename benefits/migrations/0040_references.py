from django.db import migrations, models


class Migration(migrations.Migration):
    """What tells a repeat of a step."""

    dependencies = [
        ("benefits", "0011_listings_stay"),
    ]
    operations = [
        migrations.AddField(
            model_name="step",
            name="reference",
            field=models.CharField(help_text="What tells a repeat of it.", max_length=64, null=True),
        ),
        migrations.AddConstraint(
            model_name="step",
            constraint=models.UniqueConstraint(condition=models.Q(("reference__isnull", False)), fields=("reference",), name="benefits_step_reference_once"),
        ),
    ]
