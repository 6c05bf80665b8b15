CREATE OR REPLACE FUNCTION dbperf.backfill_check(leaf regclass)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_backfill dbperf.backfill;
    v_other regclass;
BEGIN
    SELECT b.* INTO v_backfill FROM dbperf.backfill AS b WHERE b.leaf = backfill_check.leaf AND b.ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not being filled', backfill_check.leaf
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT dbperf.backfill_start(table, time) begins it; dbperf.backfill_progress lists what was.';
    END IF;
    PERFORM dbperf.backfill_refuse(v_backfill.relation, true);
    SELECT p.leaf INTO v_other FROM dbperf.partition_bounds(v_backfill.relation) AS p
    WHERE NOT p.is_default AND p.lower < v_backfill.upper AND p.upper > v_backfill.lower LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'somebody made a partition where % is to go: %', v_backfill.leaf, v_other
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Detach that, move its rows here, and CALL dbperf.backfill_finish() again; or insert these rows into the table, and give up with dbperf.backfill_abort().';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_check(regclass) IS
    'Raises 55000 if the table is not being filled, or cannot become a partition as things are. Locks: none.';
