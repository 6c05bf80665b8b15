CREATE OR REPLACE FUNCTION dbperf.refuse_truncate()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'table % has soft delete and is not truncated', TG_RELID::regclass
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Mark its rows with dbperf.soft_delete(), erase marked ones with dbperf.purge().';
END
$$;

COMMENT ON FUNCTION dbperf.refuse_truncate() IS 'Trigger, BEFORE TRUNCATE: refuses it (55000). Locks: none.';
