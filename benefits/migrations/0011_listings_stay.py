from django.db import migrations

RULES = """
    -- A draft that waits for its approval is as fixed as one that was decided.
    CREATE FUNCTION benefits_is_open(p_listing bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT l.state = 'DRAFT' AND a.state IS DISTINCT FROM 'PENDING'
        FROM benefits_listing AS l LEFT JOIN common_approval AS a ON a.id = l.approval_id
        WHERE l.id = p_listing
    $$;

    CREATE FUNCTION benefits_listing_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.id = NEW.id AND OLD.item_id = NEW.item_id THEN
            IF OLD.state = 'LIVE' AND NEW.state = 'REPLACED'
                    AND to_jsonb(OLD) - 'state' = to_jsonb(NEW) - 'state' THEN
                RETURN NEW;
            END IF;
            -- Who wrote on it stays an author of it, and whoever changes it becomes one.
            IF benefits_is_open(OLD.id) AND NEW.authors @> OLD.authors
                    AND NEW.changed_by_id = ANY (NEW.authors) THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'listing % cannot be changed so or deleted', OLD.id
            USING ERRCODE = 'restrict_violation';
    END $$;

    CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON benefits_listing
        FOR EACH ROW EXECUTE FUNCTION benefits_listing_stays();

    CREATE FUNCTION benefits_part_of_listing_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' AND benefits_is_open(NEW.listing_id) THEN
            RETURN NEW;
        ELSIF TG_OP = 'DELETE' AND benefits_is_open(OLD.listing_id) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'a listing that waits or was decided cannot be changed'
            USING ERRCODE = 'restrict_violation';
    END $$;

    CREATE TRIGGER stays BEFORE INSERT OR UPDATE OR DELETE ON benefits_itemprice
        FOR EACH ROW EXECUTE FUNCTION benefits_part_of_listing_stays();
    CREATE TRIGGER stays BEFORE INSERT OR UPDATE OR DELETE ON benefits_itemlimit
        FOR EACH ROW EXECUTE FUNCTION benefits_part_of_listing_stays();
    CREATE TRIGGER stays BEFORE INSERT OR UPDATE OR DELETE ON benefits_listingpicture
        FOR EACH ROW EXECUTE FUNCTION benefits_part_of_listing_stays();

    -- What is left is the sum of the moves: nothing else changes it.
    CREATE FUNCTION benefits_move_stock() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE benefits_stock SET remaining = remaining + NEW.quantity
        WHERE id = NEW.stock_id RETURNING remaining INTO STRICT NEW.remaining_after;
        RETURN NEW;
    END $$;

    CREATE TRIGGER moves BEFORE INSERT ON benefits_stockmove
        FOR EACH ROW EXECUTE FUNCTION benefits_move_stock();

    CREATE FUNCTION benefits_stock_moves() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' AND NEW.remaining = 0 OR TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'stock changes by its moves only' USING ERRCODE = 'restrict_violation';
    END $$;

    CREATE TRIGGER by_moves BEFORE INSERT OR UPDATE OR DELETE ON benefits_stock
        FOR EACH ROW EXECUTE FUNCTION benefits_stock_moves();

    SELECT common_make_append_only('benefits_itempicture');
    SELECT common_make_append_only('benefits_stockmove');
    SELECT common_keep_rows('benefits_item');
    SELECT common_keep_rows('benefits_listing');
    SELECT common_keep_rows('benefits_category');
    SELECT common_keep_rows('benefits_stock');
    SELECT common_keep_rows('benefits_claim');
    -- The row of an item many want is written often: its versions find room beside it.
    ALTER TABLE benefits_stock SET (fillfactor = 50);
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_stockmove;
    DROP TRIGGER append_only ON benefits_itempicture;
    DROP FUNCTION benefits_stock_moves() CASCADE;
    DROP FUNCTION benefits_move_stock() CASCADE;
    DROP FUNCTION benefits_part_of_listing_stays() CASCADE;
    DROP FUNCTION benefits_listing_stays() CASCADE;
    DROP FUNCTION benefits_is_open(bigint);
"""


class Migration(migrations.Migration):
    """Let listings that wait or were decided never change, and stock only by its moves."""

    dependencies = [("benefits", "0010_catalogue"), ("common", "0002_append_only")]
    operations = [migrations.RunSQL(RULES, UNDO)]
