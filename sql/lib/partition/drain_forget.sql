CREATE OR REPLACE FUNCTION dbperf.drain_forget(part regclass, check_id oid)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = drain_forget.part AND k.conname = 'dbperf_drain' AND k.oid = coalesce(drain_forget.check_id, k.oid)
    ) THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS dbperf_drain', drain_forget.part);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.drain_forget(regclass, oid) IS
    'Lets every row into the DEFAULT partition again after a drain that did not come to its end: this one''s, or any if it is NULL. Waits 50 ms for its lock, then raises 55P03. Locks: ACCESS EXCLUSIVE on the DEFAULT partition if there is anything to do, else none.';
