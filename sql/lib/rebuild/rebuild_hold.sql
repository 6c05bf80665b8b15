CREATE OR REPLACE FUNCTION dbperf.rebuild_hold(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    PERFORM FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND rebuild_hold.relation IN (b.source, b.target) FOR UPDATE;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_hold(regclass) IS
    'One step of a rebuild at a time: waits for the others. Whoever calls it reads which table is used afterwards, not before: a swap may have been what it waited for. Locks: FOR UPDATE on the row of dbperf.rebuild.';
