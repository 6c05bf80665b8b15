CREATE OR REPLACE FUNCTION dbperf.backfill_hold(leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' -- no writer of the table queues behind these
AS $$
DECLARE
    v_backfill dbperf.backfill;
BEGIN
    SELECT b.* INTO v_backfill FROM dbperf.backfill AS b WHERE b.leaf = backfill_hold.leaf AND b.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', v_backfill.relation);
    PERFORM pg_catalog.set_config('lock_timeout', '1s', true); -- who loads is waited for, who makes partitions waits for us
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', v_backfill.load_table);
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', v_backfill.leaf);
END
$$;

COMMENT ON FUNCTION dbperf.backfill_hold(regclass) IS
    'Keeps everybody else from what is being filled. Locks: SHARE UPDATE EXCLUSIVE on the partitioned table, ACCESS EXCLUSIVE on the load table and the leaf.';
