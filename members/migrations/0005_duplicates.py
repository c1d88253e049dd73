import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Pairs of members who may be one person, and what they are recognized by."""

    dependencies = [
        ('members', '0004_consents'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Fingerprint',
            fields=[
                ('member', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='fingerprint', serialize=False, to='members.member')),
                ('id_number', models.BinaryField(max_length=32, null=True)),
                ('email', models.BinaryField(max_length=32, null=True)),
                ('person', models.BinaryField(max_length=32, null=True)),
            ],
            options={
                'verbose_name': 'fingerprint',
                'verbose_name_plural': 'fingerprints',
            },
        ),
        migrations.CreateModel(
            name='Duplicate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reasons', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('ID_NUMBER', 'Same ID number'), ('EMAIL', 'Same e-mail'), ('PERSON', 'Same name, birthday and last digits of the phone'), ('PRODUCT', 'Same name, and owners of the same product')], max_length=9), size=None)),
                ('state', models.CharField(choices=[('OPEN', 'To be judged'), ('NOT_SAME', 'Not the same person')], max_length=8, verbose_name='state')),
                ('found_at', models.DateTimeField(verbose_name='found at')),
                ('judged_at', models.DateTimeField(null=True, verbose_name='judged at')),
                ('judged_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='judged by')),
                ('one', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='member')),
                ('other', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='members.member', verbose_name='other member')),
            ],
            options={
                'verbose_name': 'possible duplicate',
                'verbose_name_plural': 'possible duplicates',
                'indexes': [models.Index(condition=models.Q(('state', 'OPEN')), fields=['id'], name='members_duplicate_waiting')],
                'constraints': [models.UniqueConstraint(fields=('one', 'other'), name='members_duplicate_pair_once'), models.CheckConstraint(condition=models.Q(('one__lt', models.F('other'))), name='members_duplicate_in_order'), models.CheckConstraint(condition=models.Q(models.Q(('judged_at', None), ('judged_by', None), ('state', 'OPEN')), models.Q(models.Q(('state', 'OPEN'), _negated=True), ('judged_at__isnull', False), ('judged_by__isnull', False)), _connector='OR'), name='members_duplicate_judged_by_somebody')],
            },
        ),
    ]
