CREATE OR REPLACE FUNCTION dbperf.key_parent_waits(relation regclass, key_name name)
RETURNS boolean
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(bool_or(p.relkind = 'p'), false)
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
    WHERE k.conrelid = key_parent_waits.relation AND k.contype = 'f'
      AND k.conname IN (key_parent_waits.key_name, dbperf.temporary_key_name(key_parent_waits.key_name))
$$;

COMMENT ON FUNCTION dbperf.key_parent_waits(regclass, name) IS
    'Whether the foreign key references a partitioned table: its check must then wait for COMMIT, because soft delete there takes rows out and puts them back. Locks: none.';
