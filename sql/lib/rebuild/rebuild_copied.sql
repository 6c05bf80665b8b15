CREATE OR REPLACE FUNCTION dbperf.rebuild_copied(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    PERFORM dbperf.rebuild_hold(rebuild_copied.relation);
    UPDATE dbperf.rebuild AS b SET copied_at = pg_catalog.clock_timestamp()
    WHERE b.ended_at IS NULL AND rebuild_copied.relation IN (b.source, b.target) AND b.is_backfilled AND b.copied_at IS NULL;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_copied(regclass) IS
    'Notes that all rows are copied, after the last batch was committed: whose snapshot is newer sees them all. Locks: none.';
