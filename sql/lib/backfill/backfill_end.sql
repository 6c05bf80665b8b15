CREATE OR REPLACE FUNCTION dbperf.backfill_end(leaf regclass, state text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_load regclass;
BEGIN
    UPDATE dbperf.backfill AS b SET state = backfill_end.state, ended_at = pg_catalog.clock_timestamp()
    WHERE b.leaf = backfill_end.leaf AND b.ended_at IS NULL RETURNING b.load_table INTO v_load;
    EXECUTE pg_catalog.format('ALTER TABLE %s DETACH PARTITION %s', v_load, backfill_end.leaf);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = v_load) THEN
        EXECUTE pg_catalog.format('DROP TABLE %s', v_load);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_end(regclass, text) IS
    'Takes a table that was being filled out of its load table, which goes with the last one, and remembers what became of it. Locks: ACCESS EXCLUSIVE on both.';
