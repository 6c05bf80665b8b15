CREATE OR REPLACE FUNCTION dbperf.rebuild_pause(relation regclass)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_waiting bigint;
    v_lag interval;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_pause.relation) AS s;
    SELECT pg_catalog.count(*) INTO v_waiting
    FROM pg_catalog.pg_locks AS l
    WHERE NOT l.granted AND (l.relation IN (SELECT dbperf.table_tree(v_sides.live)) OR l.locktype IN ('transactionid', 'tuple'))
      AND l.waitstart < pg_catalog.clock_timestamp() - interval '20 milliseconds';
    IF v_waiting > 0 THEN
        RETURN pg_catalog.format('%s sessions wait for locks', v_waiting);
    END IF;
    -- NULL where this role may not see them, or where there is none
    SELECT pg_catalog.max(r.replay_lag) INTO v_lag FROM pg_catalog.pg_stat_replication AS r;
    IF v_lag > interval '5 seconds' THEN
        RETURN pg_catalog.format('a replica is %s behind', v_lag);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_pause(regclass) IS
    'Why the backfill should wait a moment: sessions that wait for locks of rows or of the table for longer than 20 ms, a replica that is more than 5 s behind (unknown to a role that may not see pg_stat_replication, which needs pg_read_all_stats). NULL if nothing speaks against it. Locks: none.';
