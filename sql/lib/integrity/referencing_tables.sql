CREATE OR REPLACE FUNCTION dbperf.referencing_tables(relation regclass)
RETURNS TABLE (key oid, name name, child regclass, parent regclass)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE reached AS (
        SELECT referencing_tables.relation AS parent
        UNION
        SELECT coalesce(pg_catalog.pg_partition_root(k.child), k.child)
        FROM reached AS r CROSS JOIN LATERAL dbperf.inbound_keys(r.parent) AS k
    )
    SELECT k.key, k.name, k.child, k.parent
    FROM reached AS r CROSS JOIN LATERAL dbperf.inbound_keys(r.parent) AS k
$$;

COMMENT ON FUNCTION dbperf.referencing_tables(regclass) IS
    'Every foreign key by which rows depend on rows of the table, directly or through other tables. Locks: ACCESS SHARE on partitions.';
