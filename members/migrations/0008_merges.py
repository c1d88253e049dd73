import common.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Members who turned out to be one person, and what came over, so that it can go back."""

    dependencies = [
        ('members', '0007_applications'),
        ('partners', '0002_the_brand'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Merge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('status_before', models.CharField(choices=[('PRE_REGISTERED', 'Pre-registered'), ('ACTIVE', 'Active'), ('FROZEN', 'Frozen'), ('CLOSED', 'Closed')], max_length=14, verbose_name='status before')),
                ('merged_at', models.DateTimeField(verbose_name='joined at')),
                ('reason', models.CharField(max_length=500, verbose_name='reason')),
                ('unmerged_at', models.DateTimeField(null=True, verbose_name='undone at')),
            ],
            options={
                'verbose_name': 'joining of two members',
                'verbose_name_plural': 'joinings of two members',
            },
        ),
        migrations.CreateModel(
            name='MergePart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=20)),
                ('row', models.BigIntegerField(help_text='Primary key of the row that moved or was added.')),
            ],
            options={
                'verbose_name': 'part of a joining',
                'verbose_name_plural': 'parts of joinings',
            },
        ),
        migrations.CreateModel(
            name='Replaced',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('field', models.CharField(max_length=60)),
                ('value', common.fields.EncryptedTextField(help_text='JSON: a list of the value, empty if there was none.')),
            ],
            options={
                'verbose_name': 'replaced value',
                'verbose_name_plural': 'replaced values',
            },
        ),
        migrations.AddField(
            model_name='historicalmember',
            name='merged_into',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='members.member', verbose_name='joined with'),
        ),
        migrations.AddField(
            model_name='member',
            name='merged_into',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='joined with'),
        ),
        migrations.AddIndex(
            model_name='member',
            index=models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['merged_into'], name='members_member_joined_with'),
        ),
        migrations.AddConstraint(
            model_name='member',
            constraint=models.CheckConstraint(condition=models.Q(('merged_into', None), models.Q(('status', 'CLOSED'), models.Q(('merged_into', models.F('id')), _negated=True)), _connector='OR'), name='members_member_joined_with_another_has_ended'),
        ),
        migrations.AddField(
            model_name='merge',
            name='into',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='remains'),
        ),
        migrations.AddField(
            model_name='merge',
            name='member',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='merges', to='members.member', verbose_name='given up'),
        ),
        migrations.AddField(
            model_name='merge',
            name='merged_by',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='joined by'),
        ),
        migrations.AddField(
            model_name='merge',
            name='unmerged_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='undone by'),
        ),
        migrations.AddField(
            model_name='mergepart',
            name='merge',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='parts', to='members.merge'),
        ),
        migrations.AddField(
            model_name='replaced',
            name='merge',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='replaced', to='members.merge'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.UniqueConstraint(condition=models.Q(('unmerged_at', None)), fields=('member',), name='members_merge_once_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.CheckConstraint(condition=models.Q(('member', models.F('into')), _negated=True), name='members_merge_of_two'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('unmerged_at', None), ('unmerged_by', None)), models.Q(('unmerged_at__isnull', False), ('unmerged_by__isnull', False)), _connector='OR'), name='members_merge_undone_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='merge',
            constraint=models.CheckConstraint(condition=models.Q(('status_before', 'CLOSED'), _negated=True), name='members_merge_of_who_is_here'),
        ),
        migrations.AddConstraint(
            model_name='mergepart',
            constraint=models.UniqueConstraint(fields=('merge', 'kind', 'row'), name='members_mergepart_once'),
        ),
        migrations.AddConstraint(
            model_name='replaced',
            constraint=models.UniqueConstraint(fields=('merge', 'field'), name='members_replaced_once'),
        ),
        migrations.RunSQL(
            "SELECT common_make_append_only('members_mergepart'), common_keep_rows('members_merge')",
            migrations.RunSQL.noop,
        ),
    ]
