from django.db import migrations

CREATE = """
    CREATE FUNCTION programme_version_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.published_at IS NOT NULL THEN
            RAISE EXCEPTION 'version % is published and cannot be changed', OLD.number
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON programme_version
        FOR EACH ROW EXECUTE FUNCTION programme_version_is_immutable();

    -- For every table that hangs rules on a version by a column version_id.
    CREATE FUNCTION programme_rule_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        touched bigint[];
    BEGIN
        touched := CASE TG_OP
            WHEN 'INSERT' THEN ARRAY[NEW.version_id]
            WHEN 'DELETE' THEN ARRAY[OLD.version_id]
            ELSE ARRAY[OLD.version_id, NEW.version_id]
        END;
        IF EXISTS (
            SELECT FROM programme_version AS v
            WHERE v.id = ANY (touched) AND v.published_at IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'rules of % hang on a published version', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$;

    -- What is approved is what was asked for, and only what was approved is published.
    CREATE FUNCTION programme_draft_is_as_asked() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF OLD.state <> 'OPEN' THEN
                RAISE EXCEPTION 'draft % is % and cannot be changed', OLD.id, OLD.state
                    USING ERRCODE = 'restrict_violation';
            END IF;
            IF (NEW.document, NEW.revision) IS DISTINCT FROM (OLD.document, OLD.revision)
                AND EXISTS (
                    SELECT FROM common_approval AS a
                    WHERE a.id = OLD.approval_id AND a.state IN ('PENDING', 'APPROVED')
                )
            THEN
                RAISE EXCEPTION 'draft % waits for its approval and cannot be changed', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;
        IF NEW.state = 'PUBLISHED' AND NOT EXISTS (
            SELECT FROM common_approval AS a
            WHERE a.id = NEW.approval_id AND a.state = 'APPROVED'
        ) THEN
            RAISE EXCEPTION 'draft % is published without an approval', NEW.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER as_asked BEFORE INSERT OR UPDATE ON programme_draft
        FOR EACH ROW EXECUTE FUNCTION programme_draft_is_as_asked();
"""

DROP = """
    DROP TRIGGER as_asked ON programme_draft;
    DROP FUNCTION programme_draft_is_as_asked();
    DROP TRIGGER immutable ON programme_version;
    DROP FUNCTION programme_version_is_immutable();
    DROP FUNCTION programme_rule_is_immutable();
"""


class Migration(migrations.Migration):
    """Let a published version, what hangs on it and what is being approved never change."""

    dependencies = [("programme", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL("SELECT common_keep_rows('programme_version')", migrations.RunSQL.noop),
        migrations.RunSQL("SELECT common_keep_rows('programme_draft')", migrations.RunSQL.noop),
    ]
