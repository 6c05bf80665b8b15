CREATE OR REPLACE FUNCTION dbperf.create_partition(relation regclass, lower timestamp without time zone, upper timestamp without time zone)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET lock_timeout = '50ms'
AS $$
DECLARE
    v_encoding text;
    v_leaf regclass;
    v_leaves integer;
    v_default regclass;
    v_backfill regclass;
    v_before oid;
    v_after oid;
    v_name text;
    v_template boolean;
    v_message text;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a partition of % can only be made at READ COMMITTED', create_partition.relation
            USING ERRCODE = 'active_sql_transaction',
                  DETAIL = 'An older snapshot does not see what others have made.',
                  HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    -- Against others who make partitions; writers do not conflict with it. LIKE is not enough, it locks too little.
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', create_partition.relation);
    SELECT k.encoding INTO v_encoding FROM dbperf.partition_key(create_partition.relation) AS k;
    SELECT pg_catalog.min(b.leaf) FILTER (WHERE b.lower <= create_partition.lower AND b.upper >= create_partition.upper),
           pg_catalog.count(*), pg_catalog.min(b.leaf) FILTER (WHERE b.is_default),
           pg_catalog.max(b.leaf) FILTER (WHERE b.upper = create_partition.lower), pg_catalog.max(b.leaf) FILTER (WHERE b.lower = create_partition.upper)
    INTO v_leaf, v_leaves, v_default, v_before, v_after
    FROM (SELECT x.leaf::oid AS leaf, x.lower, x.upper, x.is_default FROM dbperf.partition_bounds(create_partition.relation) AS x) AS b;
    IF v_leaf IS NOT NULL THEN -- somebody was faster
        RETURN v_leaf;
    ELSIF v_default IS NOT NULL THEN -- ATTACH would read all of it, and writers would wait
        RAISE EXCEPTION '% has a DEFAULT partition, %', create_partition.relation, v_default
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('CALL dbperf.drain_default(%L).', create_partition.relation);
    END IF;
    v_backfill := dbperf.backfill_within(create_partition.relation, create_partition.lower, create_partition.upper);
    IF v_backfill IS NOT NULL THEN
        RAISE EXCEPTION '% is being filled to become the partition of % for this time', v_backfill, create_partition.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('CALL dbperf.backfill_finish(%1$L), or SELECT dbperf.backfill_abort(%1$L).', v_backfill);
    ELSIF v_leaves >= dbperf.partition_capacity(create_partition.relation) THEN -- a query that may fail is better than an INSERT that does
        RAISE WARNING '% has % partitions: with more of them a query without a time could fill the server''s lock table', create_partition.relation, v_leaves
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Raise max_locks_per_transaction, or drop indexes.';
    END IF;

    v_name := dbperf.partition_name(create_partition.relation, create_partition.lower, create_partition.upper);
    v_template := EXISTS (SELECT FROM dbperf.partition_policy AS p WHERE p.relation = create_partition.relation AND p.template IS NOT NULL);
    LOOP
        BEGIN
            RETURN dbperf.attach_partition(
                create_partition.relation, v_name, v_template,
                -- a neighbour's bound as it was written: it can be finer than a timestamp, of nanoseconds or a whole UUID
                coalesce((dbperf.partition_range(v_before))[2], dbperf.partition_value(v_encoding, create_partition.lower)),
                coalesce((dbperf.partition_range(v_after))[1], dbperf.partition_value(v_encoding, create_partition.upper))
            );
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
                RAISE;
            WHEN OTHERS THEN -- a row without a partition is lost, a setting is not: dbperf.maintain() tries it again, and logs it
                IF NOT v_template THEN
                    RAISE;
                END IF;
                GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;
                RAISE WARNING '% is made without its template: %', v_name, v_message
                    USING ERRCODE = SQLSTATE, HINT = 'Mend the template; the next dbperf.maintain() changes the partition.';
                v_template := false;
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.create_partition(regclass, timestamp, timestamp) IS
    'Makes one empty partition with all that the table''s partitions have, and returns it; one that is there already is returned as it is. A template that does not fit is left out, with a warning. Waits 50 ms for its locks, then raises 55P03; raises 25001 above READ COMMITTED. For a transaction of its own. Locks: SHARE UPDATE EXCLUSIVE on the table, SHARE ROW EXCLUSIVE on those that it references, until the transaction ends.';
