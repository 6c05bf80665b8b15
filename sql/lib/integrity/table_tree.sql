CREATE OR REPLACE FUNCTION dbperf.table_tree(relation regclass)
RETURNS SETOF regclass
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY -- pg_partition_tree() would lock each of them
        WITH RECURSIVE tree AS (
            SELECT table_tree.relation::oid AS oid
            UNION ALL
            SELECT c.oid
            FROM tree AS t
            JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid AND NOT i.inhdetachpending
            JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition
        )
        SELECT t.oid::regclass FROM tree AS t;
END
$$;

COMMENT ON FUNCTION dbperf.table_tree(regclass) IS
    'The table itself and, of a partitioned one, its partitions at every level. Locks: none.';
