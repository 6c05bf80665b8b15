CREATE OR REPLACE FUNCTION dbperf.drain_finish(
    relation regclass, part regclass, check_id oid, is_last boolean,
    keep_lower timestamp without time zone, keep_upper timestamp without time zone,
    lowers timestamp without time zone[], uppers timestamp without time zone[]
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE -- not STRICT: NULL where nothing is kept
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
SET row_security = off
AS $$
DECLARE
    v_encoding text;
    v_leaves regclass[] := '{}';
    v_leaf regclass;
    v_rows bigint;
    v_moved bigint := 0;
    v_place integer;
    v_holder integer;
    v_referenced text;
    v_is_needed boolean;
    v_name text;
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN -- an older snapshot would miss rows
        RAISE EXCEPTION 'a DEFAULT partition is drained at READ COMMITTED only' USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed''.';
    END IF;
    SELECT k.encoding INTO v_encoding FROM dbperf.partition_key(drain_finish.relation) AS k;
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', drain_finish.relation);
    PERFORM dbperf.drain_check(drain_finish.relation, drain_finish.part, drain_finish.check_id);
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', drain_finish.part);
    -- who has locked one of these rows, or waits for one, makes this give up: below it needs the whole table
    PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
    FOR v_place IN 1..pg_catalog.cardinality(drain_finish.lowers) LOOP
        SELECT m.leaf, m.rows INTO v_leaf, v_rows
        FROM dbperf.drain_move(drain_finish.relation, drain_finish.part, drain_finish.lowers[v_place], drain_finish.uppers[v_place]) AS m;
        v_leaves := v_leaves || v_leaf;
        v_moved := v_moved + v_rows;
    END LOOP;
    EXECUTE pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT dbperf_drain', drain_finish.part);

    -- a transaction that keeps an older snapshot would look for the moved rows where they are not
    SELECT a.pid INTO v_holder
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database() AND a.state LIKE 'idle in transaction%' AND a.backend_xmin IS NOT NULL
      AND drain_finish.lowers <> '{}'
    LIMIT 1;
    IF v_holder IS NOT NULL THEN
        RAISE EXCEPTION 'a transaction of process % keeps an older snapshot', v_holder
            USING ERRCODE = 'lock_not_available', HINT = 'End it: it is idle at REPEATABLE READ, or has an open cursor.';
    END IF;
    -- from here on everybody waits, so: the table first, before anybody finds out which partitions it has
    PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', drain_finish.relation);
    PERFORM pg_catalog.set_config('lock_timeout', '20ms', true);
    PERFORM dbperf.drain_check(drain_finish.relation, drain_finish.part, drain_finish.check_id);
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', drain_finish.part);
    -- what DETACH, ATTACH and DROP of a table with foreign keys take anyway
    SELECT pg_catalog.string_agg(DISTINCT k.confrelid::regclass::text, ', ') INTO v_referenced
    FROM pg_catalog.pg_constraint AS k
    WHERE k.conrelid = drain_finish.relation AND k.contype = 'f'
      AND pg_catalog.has_table_privilege(k.confrelid, 'UPDATE') AND k.confrelid <> drain_finish.relation;
    IF v_referenced IS NOT NULL THEN
        EXECUTE pg_catalog.format('LOCK TABLE %s IN %s MODE', v_referenced, CASE WHEN drain_finish.is_last THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE ROW EXCLUSIVE' END);
    END IF;

    v_is_needed := drain_finish.keep_lower IS NOT NULL OR dbperf.drain_has_own(drain_finish.part);
    IF drain_finish.is_last THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s DETACH PARTITION %s', drain_finish.relation, drain_finish.part);
    END IF;
    FOR v_place IN 1..pg_catalog.cardinality(drain_finish.lowers) LOOP
        EXECUTE pg_catalog.format(
            'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', drain_finish.relation, v_leaves[v_place],
            dbperf.partition_value(v_encoding, drain_finish.lowers[v_place]), dbperf.partition_value(v_encoding, drain_finish.uppers[v_place])
        );
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT dbperf_drain', v_leaves[v_place]);
    END LOOP;

    IF drain_finish.keep_lower IS NOT NULL AND drain_finish.is_last THEN
        EXECUTE pg_catalog.format(
            'ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', drain_finish.relation, drain_finish.part,
            dbperf.partition_value(v_encoding, drain_finish.keep_lower), dbperf.partition_value(v_encoding, drain_finish.keep_upper)
        );
        v_name := dbperf.partition_name(drain_finish.relation, drain_finish.keep_lower, drain_finish.keep_upper);
    END IF;
    EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT dbperf_drain', drain_finish.part);
    IF v_name IS NOT NULL THEN
        IF (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = drain_finish.part)
           = (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = drain_finish.relation) THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s RENAME TO %I', drain_finish.part, (pg_catalog.parse_ident(v_name))[2]);
        END IF;
    ELSIF drain_finish.is_last THEN
        PERFORM dbperf.drain_drop(drain_finish.part, v_is_needed);
    END IF;
    RETURN v_moved;
END
$$;

COMMENT ON FUNCTION dbperf.drain_finish(regclass, regclass, oid, boolean, timestamp, timestamp, timestamp[], timestamp[]) IS
    'Second transaction of draining a DEFAULT partition: moves rows, attaches what they are in, and makes the partition an ordinary one or drops it; returns how many rows it moved. Raises 55P03 when somebody is in the way. Locks: SHARE UPDATE EXCLUSIVE on the table while it moves and reads; then, for milliseconds, ACCESS EXCLUSIVE on the table, its DEFAULT partition and those that it references, each waited for 50 ms or less.';
