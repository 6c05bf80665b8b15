CREATE OR REPLACE FUNCTION dbperf.rebuild_refuse_truncate()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RAISE EXCEPTION '% is being rebuilt: TRUNCATE would not be copied', TG_RELID::regclass
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'DELETE the rows, or finalize or abort the rebuild first.';
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_refuse_truncate() IS
    'Trigger, BEFORE TRUNCATE of a table that is being rebuilt: refuses, because no key would be logged. Locks: none.';
