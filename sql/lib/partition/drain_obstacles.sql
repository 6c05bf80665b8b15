CREATE OR REPLACE FUNCTION dbperf.drain_obstacles(relation regclass, part regclass)
RETURNS TABLE (reason text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT pg_catalog.format('foreign key %I of %s references %s', k.name, k.child, drain_obstacles.relation)
        FROM dbperf.inbound_keys(drain_obstacles.relation) AS k
        UNION ALL
        SELECT pg_catalog.format('%s is a foreign table', t.relation)
        FROM dbperf.table_tree(drain_obstacles.part) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
        WHERE c.relkind = 'f'
        UNION ALL
        SELECT pg_catalog.format('trigger %I of %s would fire for rows that move', g.tgname, g.tgrelid::regclass)
        FROM dbperf.table_tree(drain_obstacles.part) AS t (relation)
        JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.relation
        JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND (g.tgtype & 8) <> 0 AND n.nspname <> 'dbperf' -- on DELETE
        UNION ALL
        SELECT pg_catalog.format('rule %I of %s rewrites DELETE', w.rulename, w.ev_class::regclass)
        FROM pg_catalog.pg_rewrite AS w
        WHERE w.ev_class = drain_obstacles.part AND w.ev_type = '4';
END
$$;

COMMENT ON FUNCTION dbperf.drain_obstacles(regclass, regclass) IS
    'Why the DEFAULT partition cannot be drained, one sentence each; none when it can. Locks: none.';
