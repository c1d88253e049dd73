from django.db import migrations

RULES = """
    -- Once the hash of a draw's seed is published, nothing changes but what is drawn and that it
    -- ends. The seed may be sealed anew under another key; that it is the same, its hash tells.
    CREATE FUNCTION benefits_draw_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND (
            OLD.state = 'DRAFT'
            OR to_jsonb(OLD) - ARRAY['state', 'closed_at', 'drawn', 'seed']
                = to_jsonb(NEW) - ARRAY['state', 'closed_at', 'drawn', 'seed']
            AND (
                NEW.state = OLD.state AND NEW.drawn BETWEEN OLD.drawn AND OLD.drawn + 1
                    AND NEW.closed_at IS NOT DISTINCT FROM OLD.closed_at
                    AND (OLD.state = 'RUNNING' OR NEW.drawn = OLD.drawn)
                OR OLD.state = 'RUNNING' AND NEW.state = 'CLOSED' AND NEW.drawn = OLD.drawn
            )
        ) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'draw % is published and cannot be changed so or deleted', OLD.id
            USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON benefits_draw
        FOR EACH ROW EXECUTE FUNCTION benefits_draw_stays();

    CREATE FUNCTION benefits_drawprize_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM benefits_draw AS d
            WHERE d.id = CASE WHEN TG_OP = 'DELETE' THEN OLD.draw_id ELSE NEW.draw_id END
                AND d.state = 'DRAFT'
        ) THEN
            RETURN coalesce(NEW, OLD);
        ELSIF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'remaining' = to_jsonb(NEW) - 'remaining'
                AND NEW.remaining BETWEEN OLD.remaining - 1 AND OLD.remaining THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'the prizes of a published draw cannot be changed'
            USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER stays BEFORE INSERT OR UPDATE OR DELETE ON benefits_drawprize
        FOR EACH ROW EXECUTE FUNCTION benefits_drawprize_stays();

    SELECT common_make_append_only('benefits_drawoutcome');
"""

UNDO = """
    DROP TRIGGER append_only ON benefits_drawoutcome;
    DROP TRIGGER stays ON benefits_drawprize;
    DROP TRIGGER stays ON benefits_draw;
    DROP FUNCTION benefits_drawprize_stays();
    DROP FUNCTION benefits_draw_stays();
"""


class Migration(migrations.Migration):
    """What was promised of a draw, and what it came to, stays."""

    dependencies = [("benefits", "0050_draws")]
    operations = [migrations.RunSQL(RULES, UNDO)]
