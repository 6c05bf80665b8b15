CREATE OR REPLACE FUNCTION dbperf.rebuild_unfit(target regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_name name;
BEGIN
    FOR v_name IN
        SELECT k.conname FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = rebuild_unfit.target AND k.contype = 'c' AND k.conname LIKE 'dbperf\_fits\_%'
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', rebuild_unfit.target, v_name);
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_unfit(regclass) IS
    'Drops the constraints of dbperf.rebuild_fit(): rows need not be able to go back any more. Locks: ACCESS EXCLUSIVE on the table and its partitions.';
