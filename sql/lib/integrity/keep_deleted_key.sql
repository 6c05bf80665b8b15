CREATE OR REPLACE FUNCTION dbperf.keep_deleted_key()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the key of a deleted row of % stays as it is', TG_RELID::regclass
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = 'Live rows could reference the new one.',
              HINT = pg_catalog.format('Name the live rows in WHERE, or bring this one back with dbperf.undelete(%s).', OLD.deleted_batch);
END
$$;

COMMENT ON FUNCTION dbperf.keep_deleted_key() IS
    'Trigger, BEFORE UPDATE of columns that others reference, when a deleted row would change them: refuses it (55000). Locks: none.';
