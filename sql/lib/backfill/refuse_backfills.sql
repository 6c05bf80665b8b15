CREATE OR REPLACE FUNCTION dbperf.refuse_backfills()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_left text;
BEGIN
    SELECT pg_catalog.string_agg(b.leaf::text, ', ' ORDER BY b.id) INTO v_left
    FROM dbperf.backfill AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf WHERE b.ended_at IS NULL;
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'tables are still being filled with history: %', v_left
            USING ERRCODE = 'DP002', HINT = 'dbperf backfill finish or abort them, then roll back again.';
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_backfills() IS
    'Raises DP002 while a backfill is under way, whose rows a rollback would forget. Locks: none.';
