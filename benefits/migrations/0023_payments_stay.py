from django.db import migrations

RULES = """
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

    CREATE FUNCTION benefits_payment_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.order_id, NEW.provider, NEW.number, NEW.amount, NEW.currency, NEW.until)
                IS DISTINCT FROM
                (OLD.order_id, OLD.provider, OLD.number, OLD.amount, OLD.currency, OLD.until)
            OR OLD.state = 'PAID' AND (NEW.state, NEW.transaction, NEW.paid_at)
                IS DISTINCT FROM (OLD.state, OLD.transaction, OLD.paid_at)
            OR OLD.state = 'CLOSED' AND NEW.state = 'WAITING' THEN
            RAISE EXCEPTION 'what is to be paid, and was, does not change: payment %', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;

    CREATE TRIGGER forward BEFORE UPDATE ON benefits_payment
        FOR EACH ROW EXECUTE FUNCTION benefits_payment_goes_forward();

    CREATE FUNCTION benefits_refund_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.payment_id, NEW.number, NEW.amount, NEW.made_at) IS DISTINCT FROM
                (OLD.payment_id, OLD.number, OLD.amount, OLD.made_at)
            OR OLD.state = 'DONE' AND (NEW.state, NEW.name, NEW.done_at)
                IS DISTINCT FROM (OLD.state, OLD.name, OLD.done_at) THEN
            RAISE EXCEPTION 'what is given back does not change: refund %', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;

    CREATE TRIGGER forward BEFORE UPDATE ON benefits_refund
        FOR EACH ROW EXECUTE FUNCTION benefits_refund_goes_forward();

    SELECT common_keep_rows('benefits_payment');
    SELECT common_keep_rows('benefits_refund');
    SELECT common_make_append_only('benefits_paymentnews');
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_paymentnews;
    DROP FUNCTION benefits_refund_goes_forward() CASCADE;
    DROP FUNCTION benefits_payment_goes_forward() CASCADE;
"""


class Migration(migrations.Migration):
    """Let money be paid once and given back once, and keep what was said of it."""

    dependencies = [
        ("benefits", "0022_payments"),
        ("common", "0002_append_only"),
    ]
    operations = [migrations.RunSQL(RULES, UNDO)]
