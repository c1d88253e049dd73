from django.db import migrations

RULES = """
    -- No order without its debit.
    ALTER TABLE benefits_order ADD CONSTRAINT benefits_order_debited
        FOREIGN KEY (member_id, debit_seq) REFERENCES points_entry (member_id, seq);

    CREATE FUNCTION benefits_order_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.member_id, NEW.reference, NEW.claim_id, NEW.points, NEW.debit_seq, NEW.handover,
                NEW.placed_at, NEW.store_id) IS DISTINCT FROM
                (OLD.member_id, OLD.reference, OLD.claim_id, OLD.points, OLD.debit_seq,
                OLD.handover, OLD.placed_at, OLD.store_id) THEN
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

    CREATE TRIGGER forward BEFORE UPDATE ON benefits_order
        FOR EACH ROW EXECUTE FUNCTION benefits_order_goes_forward();

    SELECT common_keep_rows('benefits_order');
    SELECT common_make_append_only('benefits_orderstep');
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_orderstep;
    DROP FUNCTION benefits_order_goes_forward() CASCADE;
    ALTER TABLE benefits_order DROP CONSTRAINT benefits_order_debited;
"""


class Migration(migrations.Migration):
    """Let orders go forward only, from a debit to an end."""

    dependencies = [
        ("benefits", "0020_orders"),
        ("common", "0002_append_only"),
        ("points", "0002_ledger"),
    ]
    operations = [migrations.RunSQL(RULES, UNDO)]
