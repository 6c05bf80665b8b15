CREATE OR REPLACE FUNCTION dbperf.ensure_soft_delete(relation regclass, hot boolean)
RETURNS TABLE (statement text)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_catalog.format('SELECT dbperf.enable_soft_delete(%L, hot => %L)', ensure_soft_delete.relation, ensure_soft_delete.hot)
    WHERE NOT EXISTS (SELECT FROM dbperf.soft_delete_table AS t WHERE t.relation = ensure_soft_delete.relation)
       OR EXISTS (SELECT FROM dbperf.verify_guards(ensure_soft_delete.relation) AS g WHERE g.check_name IN ('guard missing', 'view missing'))
    UNION ALL
    SELECT i.statement FROM dbperf.soft_delete_index(ensure_soft_delete.relation) AS i
$$;

COMMENT ON FUNCTION dbperf.ensure_soft_delete(regclass, boolean) IS
    'Statements still to run until the table has soft delete, its guards and its index. Locks: ACCESS SHARE on the partitions; the statements say theirs.';
