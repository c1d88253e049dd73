import django.db.models.deletion
from django.db import migrations, models

RULES = """
    CREATE OR REPLACE FUNCTION benefits_order_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.member_id, NEW.reference, NEW.claim_id, NEW.points, NEW.handover,
                NEW.placed_at, NEW.store_id, NEW.placed_store_id) IS DISTINCT FROM
                (OLD.member_id, OLD.reference, OLD.claim_id, OLD.points,
                OLD.handover, OLD.placed_at, OLD.store_id, OLD.placed_store_id)
            -- What was set aside is spent when the money is there.
            OR NEW.debit_seq IS DISTINCT FROM OLD.debit_seq
                AND (OLD.debit_seq IS NULL OR NEW.debit_seq IS NULL
                    OR (OLD.state, NEW.state) <> ('PLACED', 'PAID')) THEN
            RAISE EXCEPTION 'what was ordered does not change: order %', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
            ('PLACED', 'PAID'), ('PLACED', 'CANCELLED'),
            ('PAID', 'PICKED'), ('PAID', 'CANCELLED'),
            ('PICKED', 'SHIPPED'), ('PICKED', 'READY'), ('PICKED', 'CANCELLED'),
            ('SHIPPED', 'RECEIVED'), ('SHIPPED', 'RETURNED'),
            ('READY', 'RECEIVED'), ('READY', 'CANCELLED'),
            ('RECEIVED', 'CLOSED'), ('RECEIVED', 'RETURN_ASKED'), ('RECEIVED', 'RETURNED'),
            ('RETURN_ASKED', 'RECEIVED'), ('RETURN_ASKED', 'RETURNED')
        ) OR OLD.handover = 'ONLINE' AND (OLD.state, NEW.state) = ('PAID', 'RECEIVED') THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'order % does not go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END $$;
"""

UNDO = """
    CREATE OR REPLACE FUNCTION benefits_order_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.member_id, NEW.reference, NEW.claim_id, NEW.points, NEW.handover,
                NEW.placed_at, NEW.store_id) IS DISTINCT FROM
                (OLD.member_id, OLD.reference, OLD.claim_id, OLD.points,
                OLD.handover, OLD.placed_at, OLD.store_id)
            -- What was set aside is spent when the money is there.
            OR NEW.debit_seq IS DISTINCT FROM OLD.debit_seq
                AND (OLD.debit_seq IS NULL OR NEW.debit_seq IS NULL
                    OR (OLD.state, NEW.state) <> ('PLACED', 'PAID')) THEN
            RAISE EXCEPTION 'what was ordered does not change: order %', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.state = OLD.state OR (OLD.state, NEW.state) IN (
            ('PLACED', 'PAID'), ('PLACED', 'CANCELLED'),
            ('PAID', 'PICKED'), ('PAID', 'CANCELLED'),
            ('PICKED', 'SHIPPED'), ('PICKED', 'READY'), ('PICKED', 'CANCELLED'),
            ('SHIPPED', 'RECEIVED'), ('SHIPPED', 'RETURNED'),
            ('READY', 'RECEIVED'), ('READY', 'CANCELLED'),
            ('RECEIVED', 'CLOSED'), ('RECEIVED', 'RETURN_ASKED'), ('RECEIVED', 'RETURNED'),
            ('RETURN_ASKED', 'RECEIVED'), ('RETURN_ASKED', 'RETURNED')
        ) OR OLD.handover = 'ONLINE' AND (OLD.state, NEW.state) = ('PAID', 'RECEIVED') THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'order % does not go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END $$;
"""


class Migration(migrations.Migration):
    """Let stores' systems place orders for members, each reference once."""

    dependencies = [
        ('benefits', '0024_payment_tries'),
        ('members', '0010_spending_stops'),
        ('partners', '0005_scopes_of_orders'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='placed_store',
            field=models.ForeignKey(help_text='The store whose system placed it for the member; none: the member.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='partners.store', verbose_name='placed at the store'),
        ),
        migrations.AlterField(
            model_name='order',
            name='reference',
            field=models.CharField(help_text="The orderer's own name for it: what tells a repeat.", max_length=40),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(condition=models.Q(('placed_store__isnull', False)), fields=('reference',), name='benefits_order_systems_reference_once'),
        ),
        migrations.RunSQL(RULES, UNDO),
    ]
