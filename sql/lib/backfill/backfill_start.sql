CREATE OR REPLACE FUNCTION dbperf.backfill_start(relation regclass, at timestamp with time zone, accept_triggers boolean DEFAULT false)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
SET lock_timeout = '5s' -- of locks that no writer queues behind; an autovacuum is cancelled after 1 s
AS $$
DECLARE
    v_at CONSTANT timestamp without time zone := backfill_start.at AT TIME ZONE 'UTC';
    v_key record;
    v_policy record;
    v_leaf regclass;
    v_gap tsrange;
    v_load regclass;
    v_name text;
    v_bounds text[];
    v_statement text;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN -- an older snapshot does not see what others have made
        RAISE EXCEPTION 'a backfill starts at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    -- against others who make partitions; writers do not conflict with it
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', backfill_start.relation);
    UPDATE dbperf.backfill AS b SET state = 'aborted', ended_at = pg_catalog.now()
    WHERE b.relation = backfill_start.relation AND b.ended_at IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = b.leaf);
    SELECT b.leaf INTO v_leaf FROM dbperf.backfill AS b
    WHERE b.relation = backfill_start.relation AND b.ended_at IS NULL AND b.lower <= v_at AND v_at < b.upper;
    IF FOUND THEN
        RETURN v_leaf;
    END IF;
    PERFORM dbperf.backfill_refuse(backfill_start.relation, backfill_start.accept_triggers);
    SELECT p.* INTO v_policy FROM dbperf.partition_policy AS p WHERE p.relation = backfill_start.relation;
    SELECT k.* INTO v_key FROM dbperf.partition_key(backfill_start.relation) AS k;

    -- of the interval around the time: what partitions, and what is being filled, leave of it
    SELECT r INTO v_gap
    FROM dbperf.partition_gaps(backfill_start.relation, v_policy.every, v_at, v_at + interval '1 microsecond') AS g
    CROSS JOIN LATERAL pg_catalog.unnest(tsmultirange(tsrange(g.lower, g.upper)) - coalesce((
        SELECT pg_catalog.range_agg(tsrange(b.lower, b.upper)) FROM dbperf.backfill AS b WHERE b.relation = backfill_start.relation AND b.ended_at IS NULL
    ), '{}')) AS r
    WHERE r @> v_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has a partition for %: %', backfill_start.relation, backfill_start.at, dbperf.partition_for(backfill_start.relation, backfill_start.at)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Load those rows into the table itself: only whole partitions can be backfilled.';
    ELSIF pg_catalog.upper(v_gap) > dbperf.utc_now() THEN
        RAISE EXCEPTION '% is no history: its partition ends at % UTC, which is not past', backfill_start.at, pg_catalog.upper(v_gap)
            USING ERRCODE = 'DP005', HINT = 'Look at the row, or at the server''s clock; dbperf.maintain() makes partitions of now and later.';
    ELSIF dbperf.partition_capacity(backfill_start.relation) <= (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = backfill_start.relation
    ) + (SELECT pg_catalog.count(*) FROM dbperf.backfill AS b WHERE b.relation = backfill_start.relation AND b.ended_at IS NULL) THEN
        RAISE EXCEPTION '% has as many partitions as a query without a time can lock', backfill_start.relation
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Raise max_locks_per_transaction, or make the policy''s every longer.';
    END IF;

    -- a neighbour's bound as it was written: it can be finer than a timestamp
    SELECT ARRAY[
        coalesce(pg_catalog.max((dbperf.partition_range(b.leaf))[2]) FILTER (WHERE b.upper = pg_catalog.lower(v_gap)), dbperf.partition_value(v_key.encoding, pg_catalog.lower(v_gap))),
        coalesce(pg_catalog.max((dbperf.partition_range(b.leaf))[1]) FILTER (WHERE b.lower = pg_catalog.upper(v_gap)), dbperf.partition_value(v_key.encoding, pg_catalog.upper(v_gap)))
    ] INTO v_bounds FROM dbperf.partition_bounds(backfill_start.relation) AS b;
    v_name := dbperf.partition_name(backfill_start.relation, pg_catalog.lower(v_gap), pg_catalog.upper(v_gap), true);
    -- the CHECK proves to ATTACH, later and under a lock, what it would read all rows for
    EXECUTE pg_catalog.format(
        'CREATE TABLE %1$s (LIKE %2$s INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY, CONSTRAINT dbperf_backfill CHECK (%3$s%4$I >= %5$L AND %4$I < %6$L))',
        v_name, backfill_start.relation,
        CASE WHEN NOT (SELECT a.attnotnull FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = backfill_start.relation AND a.attname = v_key.column_name)
             THEN pg_catalog.format('%I IS NOT NULL AND ', v_key.column_name) END,
        v_key.column_name, v_bounds[1], v_bounds[2]
    );
    v_leaf := v_name::regclass;
    PERFORM dbperf.own_partition(backfill_start.relation, v_leaf);
    FOR v_statement IN -- how rows are stored is decided when they come; the rest of a template is for a partition
        SELECT dbperf.setting_statement(v_leaf, s.kind, s.name, s.value, false)
        FROM dbperf.table_settings(ARRAY[v_policy.template]) AS s
        WHERE s.kind IN ('parameter', 'column storage', 'column compression')
          AND (s.kind = 'parameter' OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = v_leaf AND a.attname = s.name[1] AND NOT a.attisdropped))
        UNION ALL -- nobody forges a deletion
        SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT dbperf_backfill_marks CHECK (deleted_at IS NULL AND deleted_batch IS NULL)', v_leaf)
        WHERE dbperf.has_soft_delete(backfill_start.relation)
    LOOP
        EXECUTE coalesce(v_statement, 'SELECT');
    END LOOP;
    v_load := dbperf.backfill_load_table(backfill_start.relation);
    EXECUTE pg_catalog.format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', v_load, v_leaf, v_bounds[1], v_bounds[2]);
    INSERT INTO dbperf.backfill (relation, leaf, load_table, lower, upper)
    VALUES (backfill_start.relation, v_leaf, v_load, pg_catalog.lower(v_gap), pg_catalog.upper(v_gap));
    RETURN v_leaf;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_start(regclass, timestamp with time zone, boolean) IS
    'Makes a bare table for the policy''s interval around a time that is past, or what its neighbours leave of that, and returns it; one that was started and not ended is returned. Rows are written to its load table (dbperf.backfill_progress), and nobody sees them in the table before dbperf.backfill_finish(). Raises 55000 where a partition is, DP005 where the interval is not past. Locks: SHARE UPDATE EXCLUSIVE on the table and on the load table.';
