from django.db import migrations

RULES = """
    -- What a batch promises is fixed with its approval; its state only goes on.
    CREATE FUNCTION benefits_couponbatch_keeps_its_word() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state <> 'DRAFT' AND (
            to_jsonb(OLD) - ARRAY['state', 'issued', 'exported_at', 'exported_by_id']
            <> to_jsonb(NEW) - ARRAY['state', 'issued', 'exported_at', 'exported_by_id']
            OR NEW.state = 'DRAFT' OR OLD.state = 'ENDED' AND NEW.state = 'RUNNING'
            OR OLD.state = 'REVOKED' AND NEW.state <> 'REVOKED'
            OR OLD.exported_at IS NOT NULL
                AND NEW.exported_at IS DISTINCT FROM OLD.exported_at
        ) THEN
            RAISE EXCEPTION 'an approved batch of coupons does not change'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER keeps_its_word BEFORE UPDATE ON benefits_couponbatch
        FOR EACH ROW EXECUTE FUNCTION benefits_couponbatch_keeps_its_word();

    CREATE FUNCTION benefits_couponbatch_keeps_its_places() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM benefits_couponbatch
            WHERE id = coalesce(NEW.couponbatch_id, OLD.couponbatch_id) AND state <> 'DRAFT'
        ) THEN
            RAISE EXCEPTION 'an approved batch of coupons does not change'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE TRIGGER keeps_its_places BEFORE INSERT OR UPDATE OR DELETE
        ON benefits_couponbatch_stores
        FOR EACH ROW EXECUTE FUNCTION benefits_couponbatch_keeps_its_places();
    CREATE TRIGGER keeps_its_places BEFORE INSERT OR UPDATE OR DELETE
        ON benefits_couponbatch_organizations
        FOR EACH ROW EXECUTE FUNCTION benefits_couponbatch_keeps_its_places();

    SELECT common_make_append_only('benefits_couponstep');
    SELECT common_make_append_only('benefits_couponconflict');
    SELECT common_keep_rows('benefits_coupon');
    SELECT common_keep_rows('benefits_couponbatch');
    ALTER TABLE benefits_coupon SET (fillfactor = 85);
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_couponstep;
    DROP TRIGGER append_only ON benefits_couponconflict;
    DROP TRIGGER keeps_its_word ON benefits_couponbatch;
    DROP TRIGGER keeps_its_places ON benefits_couponbatch_stores;
    DROP TRIGGER keeps_its_places ON benefits_couponbatch_organizations;
    DROP FUNCTION benefits_couponbatch_keeps_its_word;
    DROP FUNCTION benefits_couponbatch_keeps_its_places;
"""


class Migration(migrations.Migration):
    """Let approved batches and every step of a coupon never change."""

    dependencies = [
        ("benefits", "0030_coupons"),
        ("common", "0002_append_only"),
    ]
    operations = [migrations.RunSQL(RULES, UNDO)]
