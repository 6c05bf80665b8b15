CREATE OR REPLACE FUNCTION dbperf.backfill_range(
    relation regclass, start timestamp with time zone, stop timestamp with time zone, accept_triggers boolean DEFAULT false
)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_start CONSTANT timestamp without time zone := backfill_range.start AT TIME ZONE 'UTC';
    v_stop CONSTANT timestamp without time zone := backfill_range.stop AT TIME ZONE 'UTC';
    v_every CONSTANT interval := (SELECT p.every FROM dbperf.partition_policy AS p WHERE p.relation = backfill_range.relation);
    v_others text;
BEGIN
    IF NOT v_start < v_stop OR NOT pg_catalog.isfinite(v_start) OR NOT pg_catalog.isfinite(v_stop) THEN
        RAISE EXCEPTION '% to % is no time to fill', backfill_range.start, backfill_range.stop USING ERRCODE = 'invalid_parameter_value', HINT = 'It begins before it ends, and both are finite.';
    END IF;
    PERFORM dbperf.backfill_refuse(backfill_range.relation, backfill_range.accept_triggers);
    SELECT pg_catalog.string_agg(b.leaf::text, ', ' ORDER BY b.lower) INTO v_others
    FROM dbperf.partition_bounds(backfill_range.relation) AS b
    WHERE b.lower < v_stop AND b.upper > v_start AND NOT EXISTS (
        SELECT FROM dbperf.backfill AS f WHERE f.relation = backfill_range.relation AND f.leaf = b.leaf AND f.state = 'attached'
    );
    IF v_others IS NOT NULL THEN
        RAISE EXCEPTION '% has partitions from % to %: %', backfill_range.relation, backfill_range.start, backfill_range.stop, v_others
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Load those rows into the table itself, and name the time before: only whole partitions can be backfilled.';
    END IF;
    PERFORM dbperf.backfill_start(backfill_range.relation, g.lower AT TIME ZONE 'UTC', backfill_range.accept_triggers)
    FROM dbperf.partition_gaps(backfill_range.relation, v_every, v_start, v_stop) AS g
    WHERE g.lower < v_stop AND g.upper > v_start;
    RETURN (SELECT b.load_table FROM dbperf.backfill AS b WHERE b.relation = backfill_range.relation AND b.lower < v_stop AND b.upper > v_start AND b.ended_at IS NULL LIMIT 1);
END
$$;

COMMENT ON FUNCTION dbperf.backfill_range(regclass, timestamp with time zone, timestamp with time zone, boolean) IS
    'dbperf.backfill_start() for every interval between two times, but those that a backfill has attached already; returns the load table into which their rows are written, NULL if all are attached. Called again it does what is left. Raises 55000 where other partitions are. Locks: as dbperf.backfill_start().';
