import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which dealer a member of staff works for."""

    dependencies = [
        ("partners", "0002_the_brand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name='Placement',
            fields=[
                ('user', models.OneToOneField(limit_choices_to={'is_staff': True}, on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='placement', serialize=False, to=settings.AUTH_USER_MODEL, verbose_name='staff login')),
                ('organization', models.ForeignKey(blank=True, help_text="Empty: with a role of dealers, nobody's members; with other roles, all.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.organization', verbose_name='dealer')),
            ],
            options={
                'verbose_name': 'dealer of a login',
                'verbose_name_plural': 'dealers of logins',
            },
        ),
        migrations.RunSQL("SELECT common_keep_rows('partners_placement')", migrations.RunSQL.noop),
    ]
