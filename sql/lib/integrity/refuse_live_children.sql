CREATE OR REPLACE FUNCTION dbperf.refuse_live_children(relation regclass, key_name name, child regclass)
RETURNS void
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are still referenced by live rows of %', refuse_live_children.relation, refuse_live_children.child
        USING ERRCODE = 'foreign_key_violation',
              DETAIL = pg_catalog.format('Foreign key %I.', refuse_live_children.key_name),
              HINT = pg_catalog.format('Delete those first, or both together: SELECT * FROM dbperf.soft_delete(%L, ..., "cascade" => true).', refuse_live_children.relation::text);
END
$$;

COMMENT ON FUNCTION dbperf.refuse_live_children(regclass, name, regclass) IS
    'Raises 23503 as RESTRICT would. Locks: none.';
