CREATE OR REPLACE FUNCTION dbperf.rebuild_is_needed(statement text)
RETURNS boolean
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN rebuild_is_needed.statement !~ ' VALIDATE CONSTRAINT ' OR EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'f' AND NOT k.convalidated AND pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname) = rebuild_is_needed.statement
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_is_needed(text) IS
    'Whether what a swap left to be done still can be: a foreign key may have been dropped since. Locks: none.';
