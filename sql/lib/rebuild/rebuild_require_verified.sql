CREATE OR REPLACE FUNCTION dbperf.rebuild_require_verified(id integer)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_differences bigint;
    v_side regclass;
BEGIN
    SELECT b.differences, s.shadow INTO v_differences, v_side
    FROM dbperf.rebuild AS b CROSS JOIN LATERAL dbperf.rebuild_sides(b.source) AS s WHERE b.id = rebuild_require_verified.id;
    IF coalesce(v_differences, 1) <> 0 THEN
        RAISE EXCEPTION '% %', v_side, CASE WHEN v_differences IS NULL THEN 'has not been verified' ELSE pg_catalog.format('differs in %s rows', v_differences) END
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = pg_catalog.format('SELECT * FROM dbperf.rebuild_verify(%L): it has to return nothing.', v_side);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_require_verified(integer) IS
    'Raises 55000 if the table of a rebuild that is kept in step has not been verified since the last swap, or differs. Locks: none.';
