CREATE OR REPLACE FUNCTION dbperf.ensure_trigger(relation regclass, name name, definition text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = ensure_trigger.relation AND g.tgname = ensure_trigger.name) THEN
        EXECUTE ensure_trigger.definition;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.ensure_trigger(regclass, name, text) IS
    'Makes a trigger of one of dbperf''s own tables by its CREATE TRIGGER, if it is not there. Locks: SHARE ROW EXCLUSIVE on the table, if it makes it.';
