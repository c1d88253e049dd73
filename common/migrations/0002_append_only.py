from django.db import migrations

# A trigger stops even the owner's slip; the missing grants stop the application's role, which
# could otherwise switch nothing off but could still write. Both bolts (docs/decisions/0002).
CREATE = """
    CREATE FUNCTION common_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % cannot be changed or deleted', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END $$;

    CREATE FUNCTION common_make_append_only(target regclass) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        grantee text;
    BEGIN
        EXECUTE format(
            'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION common_is_append_only()', target
        );
        FOR grantee IN
            SELECT DISTINCT g.grantee FROM information_schema.role_table_grants AS g
            WHERE format('%I.%I', g.table_schema, g.table_name)::regclass = target
                AND g.grantee <> current_user
        LOOP
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %I', target, grantee);
        END LOOP;
    END $$;

    -- Rows the ledger names: they may change, but never go, for the application's role.
    CREATE FUNCTION common_keep_rows(target regclass) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        grantee text;
    BEGIN
        FOR grantee IN
            SELECT DISTINCT g.grantee FROM information_schema.role_table_grants AS g
            WHERE format('%I.%I', g.table_schema, g.table_name)::regclass = target
                AND g.grantee <> current_user
        LOOP
            EXECUTE format('REVOKE DELETE, TRUNCATE ON %s FROM %I', target, grantee);
        END LOOP;
    END $$;

    SELECT common_make_append_only('common_auditrecord');
"""

DROP = """
    DROP TRIGGER append_only ON common_auditrecord;
    DROP FUNCTION common_make_append_only(regclass);
    DROP FUNCTION common_keep_rows(regclass);
    DROP FUNCTION common_is_append_only();
"""


class Migration(migrations.Migration):
    """Let audit rows be written and read, never changed."""

    dependencies = [("common", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
