CREATE OR REPLACE FUNCTION dbperf.drain_drop(part regclass, is_needed boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_found boolean;
BEGIN
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s)', drain_drop.part) INTO v_found;
    IF v_found THEN
        RAISE EXCEPTION '% is not empty', drain_drop.part USING ERRCODE = 'lock_not_available', HINT = 'Call this again.';
    ELSIF drain_drop.is_needed THEN
        RAISE NOTICE '% is no partition any more, and empty: it stays because somebody made an index, trigger, constraint, view or publication for it alone', drain_drop.part;
    ELSE
        DELETE FROM dbperf.soft_delete_guard AS g WHERE g.guarded = drain_drop.part;
        EXECUTE pg_catalog.format('DROP TABLE %s', drain_drop.part);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.drain_drop(regclass, boolean) IS
    'Drops what was the DEFAULT partition after making sure that it is empty; leaves it as a table if it is needed. Locks: ACCESS EXCLUSIVE on it and on the tables that it references.';
