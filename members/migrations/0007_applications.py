import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import common.fields


# What was asked for stays as it was asked, and ends once. What is personal may only go; it may be
# sealed anew.
CREATE = """
    CREATE FUNCTION members_application_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        ending CONSTANT text[] := ARRAY['state', 'decided_at', 'decided_by_id', 'reason'];
        personal CONSTANT text[] := ARRAY['phone', 'phone_index', 'told', 'words', 'member_id'];
    BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.state <> 'APPLIED' THEN
                RAISE EXCEPTION 'application % is made before it ends', NEW.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END IF;
        IF to_jsonb(NEW) - ending - personal <> to_jsonb(OLD) - ending - personal THEN
            RAISE EXCEPTION 'what application % asks for cannot be changed', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF OLD.state <> 'APPLIED' AND (
            to_jsonb(NEW) - personal <> to_jsonb(OLD) - personal
            OR NEW.words NOT IN (OLD.words, '')
        ) THEN
            RAISE EXCEPTION 'application % has ended and cannot be changed', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF (OLD.phone = '' AND NEW.phone <> '') OR (OLD.told = '' AND NEW.told <> '')
            OR (NEW.phone_index IS NOT NULL AND NEW.phone_index IS DISTINCT FROM OLD.phone_index)
            OR (OLD.member_id IS NOT NULL AND NEW.member_id IS DISTINCT FROM OLD.member_id)
        THEN
            RAISE EXCEPTION 'who made application % cannot be changed', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER ends_once BEFORE INSERT OR UPDATE ON members_application
        FOR EACH ROW EXECUTE FUNCTION members_application_ends_once();
    SELECT common_keep_rows('members_application');
"""

DROP = """
    DROP TRIGGER ends_once ON members_application;
    DROP FUNCTION members_application_ends_once();
"""


class Migration(migrations.Migration):
    """Those who want to become members, where somebody decides that."""

    dependencies = [
        ("common", "0002_append_only"),
        ("members", "0006_groups"),
        ("partners", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
    ]
    operations = [


        migrations.CreateModel(
            name='Application',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('APPLIED', 'To be decided'), ('APPROVED', 'Approved'), ('REFUSED', 'Refused'), ('WITHDRAWN', 'Withdrawn'), ('EXPIRED', 'Lapsed')], max_length=9, verbose_name='state')),
                ('applied_at', models.DateTimeField(verbose_name='applied at')),
                ('channel', models.CharField(choices=[('WEB', "The member's page"), ('STORE', 'Staff'), ('API', "A dealer's system"), ('IMPORT', 'An import'), ('MERGE', 'Joining of two members')], max_length=6, verbose_name='channel')),
                ('phone', common.fields.EncryptedTextField(blank=True, verbose_name='phone')),
                ('phone_index', models.BinaryField(max_length=32, null=True)),
                ('told', common.fields.EncryptedTextField(blank=True, verbose_name='what was told')),
                ('decided_at', models.DateTimeField(null=True, verbose_name='decided at')),
                ('reason', models.CharField(blank=True, choices=[('DETAILS', 'What was told could not be confirmed'), ('NO_CUSTOMER', 'No customer of ours'), ('MEMBER_ALREADY', 'A member already'), ('NOT_ELIGIBLE', 'Does not meet the terms of the programme'), ('OTHER', 'Another reason')], max_length=14, verbose_name='reason')),
                ('words', models.CharField(blank=True, max_length=200, verbose_name='words to the applicant')),
                ('client', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL, verbose_name='API client')),
                ('decided_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('member', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='applications', to='members.member', verbose_name='member')),
                ('store', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.store', verbose_name='enrolling store')),
            ],
            options={
                'verbose_name': 'membership application',
                'verbose_name_plural': 'membership applications',
                'permissions': [('decide_application', 'Can approve and refuse membership applications')],
                'indexes': [models.Index(fields=['-decided_at', 'id'], name='members_application_list'), models.Index(condition=models.Q(('phone_index__isnull', False)), fields=['phone_index', '-id'], name='members_application_of_phone')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'APPLIED')), fields=('phone_index',), name='members_application_one_a_phone'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('phone_index__isnull', False), ('state', 'APPLIED')), models.Q(models.Q(('state', 'APPLIED'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='members_application_ended_has_a_time'), models.CheckConstraint(condition=models.Q(models.Q(('decided_by__isnull', False), ('state__in', ['APPROVED', 'REFUSED'])), models.Q(models.Q(('state__in', ['APPROVED', 'REFUSED']), _negated=True), ('decided_by', None)), _connector='OR'), name='members_application_decided_by_somebody'), models.CheckConstraint(condition=models.Q(models.Q(('reason__gt', ''), ('state', 'REFUSED')), models.Q(models.Q(('state', 'REFUSED'), _negated=True), ('reason', ''), ('words', '')), _connector='OR'), name='members_application_refused_says_why'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'APPROVED'), _negated=True), ('member__isnull', False), _connector='OR'), name='members_application_approved_made_a_member')],
            },
        ),
        migrations.RunSQL(CREATE, DROP),
    ]
