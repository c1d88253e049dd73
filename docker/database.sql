-- The two roles and the database. Runs when the database container is first made, and at every
-- start of the local server of dev.py; so it may run again on what is there.
--
-- Migrations run as membership_owner, who owns the tables. The application is membership_app: it
-- may work with every table, except for what migrations take back from it on the ledger and the
-- audit log. One role for both could switch off the triggers that keep the ledger append-only.

\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv app_password DATABASE_APP_PASSWORD

SELECT 'CREATE ROLE membership_owner'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'membership_owner') \gexec
SELECT 'CREATE ROLE membership_app'
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'membership_app') \gexec
ALTER ROLE membership_owner LOGIN CREATEDB NOSUPERUSER PASSWORD :'owner_password';
ALTER ROLE membership_app LOGIN NOCREATEDB NOSUPERUSER PASSWORD :'app_password';

-- A request that waits or works longer than this has lost its caller already.
ALTER ROLE membership_app SET statement_timeout = '8s';
ALTER ROLE membership_app SET lock_timeout = '5s';
ALTER ROLE membership_app SET idle_in_transaction_session_timeout = '15s';

-- The owner may step down to the application's role: tests do, to see what it may not do.
GRANT membership_app TO membership_owner;

-- First in template1, of which the database, and later every test database, is a copy.
\connect template1
ALTER DEFAULT PRIVILEGES FOR ROLE membership_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO membership_app;
ALTER DEFAULT PRIVILEGES FOR ROLE membership_owner
    GRANT USAGE, SELECT ON SEQUENCES TO membership_app;
ALTER DEFAULT PRIVILEGES FOR ROLE membership_owner
    GRANT EXECUTE ON FUNCTIONS TO membership_app;

\connect postgres
SELECT 'CREATE DATABASE membership OWNER membership_owner'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'membership') \gexec

\connect membership
SELECT 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements'
    WHERE current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%' \gexec
