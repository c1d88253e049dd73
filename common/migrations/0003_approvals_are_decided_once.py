from django.db import migrations

# Who was staff when cannot be looked up afterwards, so it is looked at now.
CREATE = """
    CREATE FUNCTION common_approval_is_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        decision CONSTANT text[] := ARRAY['state', 'decided_by_id', 'decided_at', 'note'];
        people bigint[];
    BEGIN
        IF TG_OP = 'INSERT' AND NEW.state <> 'PENDING' THEN
            RAISE EXCEPTION 'approval % is asked for before it is decided', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'UPDATE' AND OLD.state <> 'PENDING' THEN
            RAISE EXCEPTION 'approval % is decided and cannot be changed', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - decision <> to_jsonb(OLD) - decision THEN
            RAISE EXCEPTION 'what approval % asks for cannot be changed', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        people := CASE NEW.state
            WHEN 'PENDING' THEN ARRAY[NEW.requested_by_id]
            WHEN 'APPROVED' THEN ARRAY[NEW.requested_by_id, NEW.decided_by_id]
            ELSE ARRAY[NEW.decided_by_id]
        END;
        IF EXISTS (
            SELECT FROM common_user AS u
            WHERE u.id = ANY (people) AND NOT (u.is_staff AND u.is_active)
        ) THEN
            RAISE EXCEPTION 'approval % is asked for and decided by active staff', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER decided_once BEFORE INSERT OR UPDATE ON common_approval
        FOR EACH ROW EXECUTE FUNCTION common_approval_is_decided_once();
"""

DROP = """
    DROP TRIGGER decided_once ON common_approval;
    DROP FUNCTION common_approval_is_decided_once();
"""


class Migration(migrations.Migration):
    """Let a request be decided once, by another, and neither it nor its decision ever change."""

    dependencies = [("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL("SELECT common_keep_rows('common_approval')", migrations.RunSQL.noop),
    ]
