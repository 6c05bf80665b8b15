CREATE OR REPLACE FUNCTION dbperf.like_indexes(relation regclass, other regclass)
RETURNS TABLE (index regclass, other_index regclass)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH numbered AS ( -- of several that are the same, in the order in which they were made
        SELECT i.indrelid, i.indexrelid, d.text, pg_catalog.row_number() OVER (PARTITION BY i.indrelid, d.text ORDER BY i.indexrelid) AS number
        FROM pg_catalog.pg_index AS i CROSS JOIN LATERAL dbperf.index_definition(i.indexrelid) AS d (text)
        WHERE i.indrelid IN (like_indexes.relation, like_indexes.other)
    )
    SELECT n.indexrelid::regclass, o.indexrelid::regclass
    FROM numbered AS n JOIN numbered AS o ON o.indrelid = like_indexes.other AND (o.text, o.number) = (n.text, n.number)
    WHERE n.indrelid = like_indexes.relation
$$;

COMMENT ON FUNCTION dbperf.like_indexes(regclass, regclass) IS
    'Indexes of two tables that differ in their names only. Locks: none.';
