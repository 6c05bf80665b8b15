CREATE OR REPLACE FUNCTION dbperf.rebuild_try_lock(tables regclass[], mode text)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_names CONSTANT text := (SELECT pg_catalog.string_agg(t.relation::text, ', ' ORDER BY t.place) FROM pg_catalog.unnest(rebuild_try_lock.tables) WITH ORDINALITY AS t (relation, place));
    v_until timestamp with time zone;
    v_table record;
    v_holder text;
BEGIN
    IF v_names IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pg_catalog.pg_stat_clear_snapshot(); -- of the last attempt: since when who waits for what has to be of now
    -- no writer queues behind this one; a vacuum by itself is cancelled after 1 s
    PERFORM pg_catalog.set_config('lock_timeout', '5s', true);
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', v_names);
    -- whoever has held a lock for longer than we would wait is not waited for: everybody else would queue behind us
    SELECT pg_catalog.format('process %s has held a lock on %s since %s', l.pid, l.relation::regclass, a.xact_start) INTO v_holder
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
      AND (l.relation = ANY (rebuild_try_lock.tables::oid[]) OR l.relation IN ( -- their sequences too: who called nextval() holds one
          SELECT d.objid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (rebuild_try_lock.tables::oid[])
      ))
      AND (rebuild_try_lock.mode = 'ACCESS EXCLUSIVE' OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
      AND a.xact_start < pg_catalog.clock_timestamp() - interval '100 milliseconds'
    LIMIT 1;
    IF v_holder IS NOT NULL THEN
        RETURN v_holder;
    END IF;
    -- one by one: lock_timeout is for each lock, and who has queued behind the first waits for all of them
    v_until := pg_catalog.clock_timestamp() + interval '50 milliseconds';
    FOR v_table IN
        SELECT x.relation, CASE WHEN c.relkind <> 'v' THEN 'ONLY ' ELSE '' END AS only
        FROM pg_catalog.unnest(rebuild_try_lock.tables) WITH ORDINALITY AS t (relation, place)
        CROSS JOIN LATERAL dbperf.table_tree(t.relation) WITH ORDINALITY AS x (relation, place)
        JOIN pg_catalog.pg_class AS c ON c.oid = x.relation
        ORDER BY t.place, x.place
    LOOP
        PERFORM pg_catalog.set_config('lock_timeout', greatest(extract(milliseconds FROM v_until - pg_catalog.clock_timestamp())::integer, 1)::text, true);
        EXECUTE pg_catalog.format('LOCK TABLE %s%s IN %s MODE', v_table.only, v_table.relation, rebuild_try_lock.mode);
    END LOOP;
    PERFORM pg_catalog.set_config('lock_timeout', '50', true);
    RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
    RETURN pg_catalog.format('somebody holds a lock on %s', v_names);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_try_lock(regclass[], text) IS
    'Locks tables and their partitions, in this order, waiting 50 ms for all of them, and not at all while an older transaction holds one; returns why it could not, NULL if it could. Locks: SHARE UPDATE EXCLUSIVE first, then as asked; none if it could not.';
