CREATE OR REPLACE FUNCTION dbperf.live_children(relation regclass, rows text)
RETURNS TABLE (name name, child regclass, query text, lock text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT k.name, k.child,
               pg_catalog.format(
                   -- none is to be expected: a plan that hopes for an early one would be the wrong one
                   'SELECT pg_catalog.count(*) > 0 FROM %s AS p WHERE EXISTS (SELECT FROM %s AS c WHERE %s%s)', live_children.rows, k.child,
                   dbperf.key_match(k.key, 'c', 'p'), CASE WHEN dbperf.has_soft_delete(k.child) THEN ' AND c.deleted_at IS NULL' END
               ),
               pg_catalog.format(
                   'SELECT FROM %s AS t WHERE EXISTS (SELECT FROM %s AS p WHERE %s) FOR UPDATE OF t', k.parent, live_children.rows,
                   dbperf.unique_match(x.conindid, 't', 'p')
               )
        FROM dbperf.inbound_keys(live_children.relation) AS k
        JOIN pg_catalog.pg_constraint AS x ON x.oid = k.key;
END
$$;

COMMENT ON FUNCTION dbperf.live_children(regclass, text) IS
    'For each foreign key that references the table: its name, the referencing table, the query that says whether a live row there references one of the rows (a table expression), and the one that waits for whoever is inserting such a row. Locks: ACCESS SHARE on the partitions; the second query takes FOR UPDATE on the rows.';
