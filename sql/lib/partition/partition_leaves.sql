CREATE OR REPLACE FUNCTION dbperf.partition_leaves(relation regclass)
RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.relation
    FROM dbperf.table_tree(partition_leaves.relation) AS t (relation)
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relation AND c.relkind = 'r'
    WHERE t.relation <> partition_leaves.relation
$$;

COMMENT ON FUNCTION dbperf.partition_leaves(regclass) IS
    'Partitions that hold rows, at every level. Locks: none.';
