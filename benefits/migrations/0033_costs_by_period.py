from django.db import migrations, models


class Migration(migrations.Migration):
    """What coupons of a period cost is read by the day of their use."""

    dependencies = [
        ('benefits', '0032_coupon_lists'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='coupon',
            index=models.Index(condition=models.Q(('state', 'USED')), fields=['used_at'], name='benefits_coupon_used'),
        ),
    ]
