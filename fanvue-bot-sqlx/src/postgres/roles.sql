-- The roles of a deployment of fanvue-bot on Postgres. Run once by a role that may create roles (on hosted
-- databases the one that the provider gives; no superuser is needed), connected to the bot's own database:
--
--   psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f roles.sql
--   psql "$ADMIN_URL" -c "ALTER ROLE fanvue_bot_owner LOGIN PASSWORD '...'" \
--                     -c "ALTER ROLE fanvue_bot_app PASSWORD '...'"
--
-- fanvue_bot_owner  owns the schema and migrates it. Let it log in while you migrate, or for always.
-- fanvue_bot_app    is who the bot works as. It owns nothing and creates nothing.
--
-- Row level security is forced, so it holds for both. Neither is a superuser, and neither has BYPASSRLS: the bot
-- refuses to start as a role that has. That goes for Supabase's own `postgres` role too; use these there.
--
-- A small deployment may use fanvue_bot_owner for everything and leave out the other.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fanvue_bot_owner') THEN
        CREATE ROLE fanvue_bot_owner NOLOGIN NOCREATEDB NOCREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fanvue_bot_app') THEN
        CREATE ROLE fanvue_bot_app LOGIN NOCREATEDB NOCREATEROLE;
    END IF;
    -- Whoever makes a schema for another role, or says what that role's tables are to be, must be a member of it.
    EXECUTE format('GRANT fanvue_bot_owner TO %I', current_user);
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO fanvue_bot_owner, fanvue_bot_app', current_database());
    IF to_regnamespace('fanvue_bot') IS NULL THEN
        CREATE SCHEMA fanvue_bot AUTHORIZATION fanvue_bot_owner;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA fanvue_bot TO fanvue_bot_app;
-- What there is already, and what migrations add later.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fanvue_bot TO fanvue_bot_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA fanvue_bot TO fanvue_bot_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA fanvue_bot TO fanvue_bot_app;
ALTER DEFAULT PRIVILEGES FOR ROLE fanvue_bot_owner IN SCHEMA fanvue_bot
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO fanvue_bot_app;
ALTER DEFAULT PRIVILEGES FOR ROLE fanvue_bot_owner IN SCHEMA fanvue_bot
    GRANT USAGE ON SEQUENCES TO fanvue_bot_app;
-- Functions can be called by everybody who may use the schema, which is nobody else.
