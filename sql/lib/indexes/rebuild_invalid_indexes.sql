CREATE OR REPLACE FUNCTION dbperf.rebuild_invalid_indexes(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY -- what an interrupted REINDEX CONCURRENTLY left is a copy; any other one somebody wanted
        SELECT pg_catalog.format(
            CASE WHEN c.relname ~ '_cc(new|old)\d*$' AND NOT c.relispartition THEN 'DROP INDEX CONCURRENTLY %s' ELSE 'REINDEX INDEX CONCURRENTLY %s' END, c.oid::regclass)
        FROM (SELECT rebuild_invalid_indexes.relation UNION SELECT dbperf.partition_leaves(rebuild_invalid_indexes.relation)) AS t (relation)
        JOIN pg_catalog.pg_index AS i ON i.indrelid = t.relation AND NOT i.indisvalid
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
        ORDER BY c.oid;
    RETURN QUERY
        SELECT e.statement
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'I'
        CROSS JOIN LATERAL dbperf.ensure_partitioned_index(rebuild_invalid_indexes.relation, c.relname, dbperf.index_definition(c.oid)) AS e
        WHERE i.indrelid = rebuild_invalid_indexes.relation AND NOT i.indisvalid
          AND NOT EXISTS ( -- its partitions come first
              SELECT FROM dbperf.partition_leaves(rebuild_invalid_indexes.relation) AS l
              JOIN pg_catalog.pg_index AS x ON x.indrelid = l AND NOT x.indisvalid
          );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_invalid_indexes(regclass) IS
    'Statements still to run until no index of the table or of its partitions is invalid: rebuilds them, and removes copies that an interrupted REINDEX left. Locks: ACCESS SHARE on the table; the statements as those of dbperf.ensure_partitioned_index().';
