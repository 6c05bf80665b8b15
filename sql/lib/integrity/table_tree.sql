CREATE OR REPLACE FUNCTION dbperf.table_tree(relation regclass)
RETURNS SETOF regclass
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT table_tree.relation
        UNION
        SELECT t.relid FROM pg_catalog.pg_partition_tree(table_tree.relation) AS t;
END
$$;

COMMENT ON FUNCTION dbperf.table_tree(regclass) IS
    'The table itself and, of a partitioned one, its partitions at every level. Locks: ACCESS SHARE on the partitions.';
