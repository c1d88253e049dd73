import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Groups of members; who stands in a kept list stays in it."""

    dependencies = [
        ('campaigns', '0004_campaigns'),
        ('members', '0001_initial'),
        ('common', '0002_append_only'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('note', models.CharField(blank=True, max_length=500, verbose_name='note')),
                ('kind', models.CharField(choices=[('LIVE', 'Live'), ('KEPT', 'Kept list')], max_length=4, verbose_name='kind')),
                ('definition', models.JSONField(verbose_name='definition')),
                ('kept_at', models.DateTimeField(null=True, verbose_name='kept at')),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('revision', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(verbose_name='created at')),
                ('changed_at', models.DateTimeField(verbose_name='changed at')),
                ('changed_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='changed by')),
                ('created_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('tag', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.tag', verbose_name='tag of its members')),
            ],
            options={
                'verbose_name': 'segment',
                'verbose_name_plural': 'segments',
                'permissions': [('export_segment', 'Can export the members of a segment')],
            },
        ),
        migrations.CreateModel(
            name='SegmentMember',
            fields=[
                ('pk', models.CompositePrimaryKey('segment_id', 'member_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('member', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member')),
                ('segment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='listed', to='campaigns.segment')),
            ],
            options={
                'verbose_name': 'member of a kept list',
                'verbose_name_plural': 'members of kept lists',
            },
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('name',), name='campaigns_segment_name_once'),
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('tag',), name='campaigns_segment_tag_once'),
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kept_at__isnull', False), ('kind', 'KEPT')), models.Q(('kept_at', None), ('kind', 'LIVE')), _connector='OR'), name='campaigns_segment_kept_has_a_time'),
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'LIVE'), ('tag', None), _connector='OR'), name='campaigns_segment_tag_follows_a_live_one'),
        ),
        migrations.RunSQL(
            "SELECT common_make_append_only('campaigns_segmentmember'),"
            " common_keep_rows('campaigns_segment')",
            migrations.RunSQL.noop,
        ),
    ]
