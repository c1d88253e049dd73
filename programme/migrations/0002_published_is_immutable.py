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
"""

DROP = """
    DROP TRIGGER immutable ON programme_version;
    DROP FUNCTION programme_version_is_immutable();
    DROP FUNCTION programme_rule_is_immutable();
"""


class Migration(migrations.Migration):
    """Let a published version, and what hangs on it, never change."""

    dependencies = [("programme", "0001_initial"), ("common", "0002_append_only")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunSQL("SELECT common_keep_rows('programme_version')", migrations.RunSQL.noop),
    ]
