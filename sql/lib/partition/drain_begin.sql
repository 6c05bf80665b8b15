CREATE OR REPLACE FUNCTION dbperf.drain_begin(relation regclass)
RETURNS TABLE (
    part regclass, check_id oid, is_last boolean,
    keep_lower timestamp without time zone, keep_upper timestamp without time zone,
    lowers timestamp without time zone[], uppers timestamp without time zone[]
)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s' -- of locks that no writer queues behind; an autovacuum is cancelled after 1 s
AS $$
DECLARE
    v_part regclass;
    v_encoding text;
    v_obstacles text[];
    v_check text;
    v_key name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table AS t WHERE t.partrelid = drain_begin.relation) THEN
        RAISE EXCEPTION '% is not partitioned', drain_begin.relation USING ERRCODE = 'wrong_object_type', HINT = 'Name a table with a DEFAULT partition.';
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', drain_begin.relation);
    SELECT nullif(t.partdefid, 0) INTO v_part FROM pg_catalog.pg_partitioned_table AS t WHERE t.partrelid = drain_begin.relation;
    IF v_part IS NULL THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM dbperf.partition_policy AS p WHERE p.relation = drain_begin.relation) THEN
        RAISE EXCEPTION '% has no partition policy', drain_begin.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES (...).';
    END IF;
    v_obstacles := ARRAY(SELECT o.reason FROM dbperf.drain_obstacles(drain_begin.relation, v_part) AS o);
    IF v_obstacles <> '{}' THEN
        RAISE EXCEPTION 'the DEFAULT partition % of % cannot be drained', v_part, drain_begin.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = pg_catalog.array_to_string(v_obstacles, '; '),
                  HINT = 'Drop the key, or disable the trigger, call this again, and bring them back. Nothing was changed.';
    END IF;

    IF EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = v_part AND k.conname = 'dbperf_drain') THEN
        PERFORM dbperf.drain_forget(v_part, NULL); -- and no more: what follows reads all rows, which is not for this lock
        part := v_part;
        RETURN NEXT;
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', v_part);
    SELECT p.is_last, p.keep_lower, p.keep_upper, p.lowers, p.uppers
    INTO is_last, keep_lower, keep_upper, lowers, uppers
    FROM dbperf.drain_plan(drain_begin.relation, v_part) AS p;
    SELECT k.column_name, k.encoding INTO v_key, v_encoding FROM dbperf.partition_key(drain_begin.relation) AS k;
    -- what it proves later spares a scan under the strong lock
    v_check := CASE
        WHEN NOT is_last THEN (
            SELECT pg_catalog.string_agg(
                pg_catalog.format('(%1$I < %2$L OR %1$I >= %3$L)', v_key, dbperf.partition_value(v_encoding, r.lower), dbperf.partition_value(v_encoding, r.upper)), ' AND '
            )
            FROM ROWS FROM (pg_catalog.unnest(lowers), pg_catalog.unnest(uppers)) AS r (lower, upper)
        )
        WHEN keep_lower IS NULL THEN 'false'
        ELSE pg_catalog.format(
            '%1$I IS NOT NULL AND %1$I >= %2$L AND %1$I < %3$L', v_key,
            dbperf.partition_value(v_encoding, keep_lower), dbperf.partition_value(v_encoding, keep_upper)
        )
    END;
    PERFORM pg_catalog.set_config('lock_timeout', '50ms', true);
    EXECUTE pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT dbperf_drain CHECK (%s) NOT VALID', v_part, v_check);
    EXECUTE pg_catalog.format(
        'COMMENT ON CONSTRAINT dbperf_drain ON %s IS %L', v_part,
        'dbperf: dbperf.drain_default() is under way. If it is not, call it again: rows that this refuses have no partition.'
    );
    check_id := (SELECT k.oid FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = v_part AND k.conname = 'dbperf_drain');
    part := v_part;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION dbperf.drain_begin(regclass) IS
    'First transaction of draining a DEFAULT partition: decides what is to be done, and lets no row in any more that would have to move; returns nothing if there is none, and no check_id when all it did was to clean up after one that was interrupted. Locks: SHARE UPDATE EXCLUSIVE on the table, ACCESS EXCLUSIVE on the DEFAULT partition at the end.';
