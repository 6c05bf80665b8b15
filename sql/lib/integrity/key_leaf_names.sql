CREATE OR REPLACE FUNCTION dbperf.key_leaf_names(relation regclass, key_name name)
RETURNS jsonb
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(pg_catalog.jsonb_object_agg(l.leaf::oid::text, l.leaf_key_name), '{}')
    FROM dbperf.key_change_leaf AS l
    WHERE l.relation = key_leaf_names.relation AND l.key_name = key_leaf_names.key_name
$$;

COMMENT ON FUNCTION dbperf.key_leaf_names(regclass, name) IS
    'Names that a changed foreign key has on the partitions: an object, oid to name. Locks: none.';
