import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """Let clients place orders for members, and take them back."""

    dependencies = [
        ('partners', '0004_counters'),
    ]

    operations = [
        migrations.AlterField(
            model_name='apiclient',
            name='scopes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('members:read', 'Look up members'), ('members:write', 'Create and pre-register members'), ('points:read', 'Read accounts and entries'), ('points:redeem', 'Redeem points'), ('points:transfer', 'Transfer points between members'), ('benefits:read', "Read members' rights and discounts"), ('benefits:deliver', "Deliver members' rights"), ('orders:read', 'Read orders that are collected at the stores'), ('orders:place', 'Place and cancel orders for members'), ('orders:refund', 'Take orders back at the stores'), ('orders:work', 'Prepare and hand over orders at the stores'), ('coupons:read', "Verify coupons and read members' coupons"), ('coupons:use', 'Use, reserve and undo coupons'), ('purchases:read', 'Read purchases and quotes'), ('purchases:write', 'Post purchases and returns')], max_length=32), size=None, verbose_name='scopes'),
        ),
    ]
