CREATE OR REPLACE FUNCTION dbperf.partition_leaves(relation regclass)
RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE tree AS (
        SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = partition_leaves.relation AND NOT i.inhdetachpending
        UNION ALL
        SELECT i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.inhrelid AND NOT i.inhdetachpending
    )
    SELECT c.oid::regclass FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.inhrelid AND c.relkind = 'r'
$$;

COMMENT ON FUNCTION dbperf.partition_leaves(regclass) IS
    'Partitions that hold rows, at every level; dbperf.table_tree() would lock each of them. Locks: none.';
