CREATE OR REPLACE FUNCTION dbperf.refuse_deleted_key(relation regclass)
RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'a deleted row of % has the key of a row of the batch', refuse_deleted_key.relation
        USING ERRCODE = 'unique_violation',
              HINT = 'Bring it back with dbperf.undelete(), or pass on_deleted => ''keep'' or ''revive''.';
END
$$;

COMMENT ON FUNCTION dbperf.refuse_deleted_key(regclass) IS
    'Raises 23505: a condition that a row of a batch may not meet. Locks: none.';
