CREATE OR REPLACE FUNCTION dbperf.finish_detach(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', finish_detach.relation, finish_detach.leaf);
END
$$;

COMMENT ON FUNCTION dbperf.finish_detach(regclass, regclass) IS
    'Ends a DETACH PARTITION ... CONCURRENTLY that was interrupted: until then its rows are invisible, and no partition can be made that it overlaps. Locks: SHARE UPDATE EXCLUSIVE on the table, ACCESS EXCLUSIVE on the partition.';
