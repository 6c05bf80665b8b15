CREATE OR REPLACE FUNCTION dbperf.rebuild_reference_statements(relation regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH used AS (
            SELECT s.live, c.relkind = 'p' AND EXISTS (SELECT FROM dbperf.partition_leaves(s.live)) AS is_partitioned, r.*
            FROM dbperf.rebuild_sides(rebuild_reference_statements.relation) AS s
            JOIN pg_catalog.pg_class AS c ON c.oid = s.live
            JOIN dbperf.rebuild AS b ON b.id = s.id
            CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(CASE WHEN s.is_cut_over THEN b.target_references ELSE b.source_references END)
                AS r (name name, definition text, referenced oid, validated boolean, comment text)
        ),
        made AS (
            SELECT u.*, k.conrelid, k.convalidated, k.conrelid = u.live AS is_whole, pg_catalog.obj_description(k.oid, 'pg_constraint') AS described
            FROM used AS u
            CROSS JOIN LATERAL dbperf.table_tree(u.live) AS t (relation)
            JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation AND k.contype = 'f' AND k.conparentid = 0 AND k.conname = u.name
        )
        SELECT x.statement FROM (
            SELECT 1 AS place, m.conrelid, pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', m.conrelid::regclass, m.name) AS statement
            FROM made AS m WHERE m.validated AND NOT m.convalidated
            UNION ALL -- takes over those of its partitions, and reads only those that came since
            SELECT DISTINCT 2, 0::oid, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', m.live, m.name, pg_catalog.replace(m.definition, E'\x01', m.referenced::regclass::text))
            FROM made AS m
            WHERE m.is_partitioned AND NOT EXISTS (SELECT FROM made AS w WHERE w.is_whole AND w.name = m.name)
            UNION ALL
            SELECT DISTINCT 3, 0::oid, pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', m.name, m.live, m.comment)
            FROM made AS m
            WHERE m.comment IS NOT NULL AND NOT EXISTS (SELECT FROM made AS w WHERE w.is_whole AND w.name = m.name AND w.described = m.comment)
        ) AS x
        ORDER BY x.place, x.conrelid, x.statement;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_reference_statements(regclass) IS
    'Statements still to run until the table that is used has its foreign keys as before the swap, checked. Locks: ACCESS SHARE on partitions; the statements: SHARE UPDATE EXCLUSIVE on the table for as long as it is read, then SHARE ROW EXCLUSIVE on it and on those that it references, for milliseconds.';
