import django.db.models.deletion
from django.db import migrations, models

RULES = """
    -- What was begun before goes on under its number.
    SET CONSTRAINTS ALL IMMEDIATE;
    INSERT INTO benefits_paymenttry (payment_id, nth, way, number, address, begun_at, closed_at)
    SELECT y.id, 1, 'NATIVE', y.number, y.address, o.placed_at,
        CASE WHEN y.state = 'WAITING' THEN NULL ELSE y.until END
    FROM benefits_payment AS y JOIN benefits_order AS o ON o.id = y.order_id
    WHERE y.address <> '';

    CREATE FUNCTION benefits_paymenttry_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.payment_id, NEW.nth, NEW.way, NEW.number, NEW.begun_at) IS DISTINCT FROM
                (OLD.payment_id, OLD.nth, OLD.way, OLD.number, OLD.begun_at)
            OR OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at THEN
            RAISE EXCEPTION 'how a payment was put to a provider does not change: %', OLD.number
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;

    CREATE TRIGGER forward BEFORE UPDATE ON benefits_paymenttry
        FOR EACH ROW EXECUTE FUNCTION benefits_paymenttry_goes_forward();
    SELECT common_keep_rows('benefits_paymenttry');
"""

UNDO = "DROP FUNCTION benefits_paymenttry_goes_forward() CASCADE;"


class Migration(migrations.Migration):
    """Let a payment be put to its provider in several ways, one at a time."""

    dependencies = [
        ('benefits', '0052_what_items_give'),
    ]

    operations = [
        migrations.CreateModel(
            name='PaymentTry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('nth', models.PositiveSmallIntegerField()),
                ('way', models.CharField(choices=[('NATIVE', 'A code for another phone'), ('H5', 'On this phone, in WeChat'), ('JSAPI', 'Inside WeChat')], max_length=6)),
                ('number', models.CharField(help_text='Ours, at the provider.', max_length=32)),
                ('address', models.CharField(blank=True, default='', help_text="What the payer's phone opens; empty: the provider has not said yet.", max_length=512)),
                ('begun_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(help_text='Since when nobody can pay it so.', null=True)),
                ('payment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='tries', to='benefits.payment')),
            ],
            options={
                'verbose_name': 'payment put to a provider',
                'verbose_name_plural': 'payments put to providers',
                'constraints': [models.UniqueConstraint(fields=('number',), name='benefits_paymenttry_number_once'), models.UniqueConstraint(fields=('payment', 'nth'), name='benefits_paymenttry_numbered'), models.UniqueConstraint(condition=models.Q(('closed_at', None)), fields=('payment',), name='benefits_paymenttry_one_at_a_time')],
            },
        ),
        migrations.RunSQL(RULES, UNDO),
        migrations.RemoveField(
            model_name='payment',
            name='address',
        ),
    ]
