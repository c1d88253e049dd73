import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Families and companies, who is in them, and who was asked."""

    dependencies = [
        ('members', '0005_duplicates'),
        ('common', '0002_append_only'),
    ]

    operations = [
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('FAMILY', 'Family'), ('COMPANY', 'Company')], max_length=7, verbose_name='kind')),
                ('name', models.CharField(blank=True, max_length=50, verbose_name='name')),
                ('founded_at', models.DateTimeField(verbose_name='founded at')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended at')),
            ],
            options={
                'verbose_name': 'family or company',
                'verbose_name_plural': 'families and companies',
                'indexes': [models.Index(condition=models.Q(('ended_at', None)), fields=['-id'], name='members_group_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('name__gt', '')), models.Q(('ended_at__isnull', False), ('name', '')), _connector='OR'), name='members_group_has_a_name_while_it_lasts')],
            },
        ),
        migrations.AddField(
            model_name='product',
            name='fleet',
            field=models.ForeignKey(blank=True, help_text='The company whose vehicle it is; the member drives it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='vehicles', to='members.group', verbose_name='fleet'),
        ),
        migrations.CreateModel(
            name='GroupInvitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asked', models.CharField(max_length=20)),
                ('invited_at', models.DateTimeField(verbose_name='invited at')),
                ('lapses_at', models.DateTimeField(verbose_name='lapses at')),
                ('answered_at', models.DateTimeField(null=True, verbose_name='answered at')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invitations', to='members.group')),
                ('member', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='group_invitations', to='members.member')),
            ],
            options={
                'verbose_name': 'invitation to a group',
                'verbose_name_plural': 'invitations to groups',
                'constraints': [models.UniqueConstraint(condition=models.Q(('answered_at', None)), fields=('group', 'asked'), name='members_groupinvitation_once_at_a_time')],
            },
        ),
        migrations.CreateModel(
            name='GroupMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('FAMILY', 'Family'), ('COMPANY', 'Company')], max_length=7, verbose_name='kind')),
                ('role', models.CharField(choices=[('OWNER', 'Owner'), ('ADMIN', 'Administrator'), ('MEMBER', 'Member')], max_length=6, verbose_name='role')),
                ('joined_at', models.DateTimeField(verbose_name='joined at')),
                ('left_at', models.DateTimeField(null=True, verbose_name='left at')),
                ('shares', models.BooleanField(default=False, help_text="Others of the group may spend this member's points.", verbose_name='shares')),
                ('monthly_points', models.BigIntegerField(help_text='Null: all there are.', null=True, verbose_name='points a month at most')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='places', to='members.group', verbose_name='group')),
                ('member', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='places', to='members.member', verbose_name='member')),
            ],
            options={
                'verbose_name': 'place in a group',
                'verbose_name_plural': 'places in groups',
                'constraints': [models.UniqueConstraint(condition=models.Q(('left_at', None)), fields=('member', 'kind'), name='members_groupmember_one_of_a_kind'), models.UniqueConstraint(condition=models.Q(('shares', True)), fields=('member',), name='members_groupmember_one_pool'), models.UniqueConstraint(condition=models.Q(('left_at', None), ('role', 'OWNER')), fields=('group',), name='members_groupmember_one_owner'), models.CheckConstraint(condition=models.Q(('left_at', None), ('shares', False), _connector='OR'), name='members_groupmember_who_left_shares_nothing'), models.CheckConstraint(condition=models.Q(('monthly_points', None), ('monthly_points__gt', 0), _connector='OR'), name='members_groupmember_monthly_points')],
            },
        ),
        migrations.RunSQL(
            """
            -- A place is of its group's kind, of which a member has one.
            ALTER TABLE members_group ADD CONSTRAINT members_group_of_kind UNIQUE (id, kind);
            ALTER TABLE members_groupmember
                ADD CONSTRAINT members_groupmember_of_its_groups_kind
                FOREIGN KEY (group_id, kind) REFERENCES members_group (id, kind);
            SELECT common_keep_rows('members_group'), common_keep_rows('members_groupmember');
            """,
            migrations.RunSQL.noop,
        ),
    ]
