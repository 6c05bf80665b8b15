CREATE OR REPLACE FUNCTION dbperf.refuse_rebuilds()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_tables text;
BEGIN
    SELECT pg_catalog.string_agg(b.source::text, ', ' ORDER BY b.source::text) INTO v_tables
    FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL;
    IF v_tables IS NOT NULL THEN
        RAISE EXCEPTION 'tables are still being rebuilt: %', v_tables
            USING ERRCODE = 'DP002', HINT = 'dbperf rebuild finalize or abort them.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_rebuilds() IS
    'Raises DP002 while a rebuild is under way or has not been finalized. Locks: none.';
