CREATE OR REPLACE FUNCTION dbperf.soft_delete_obstacles(relation regclass, accept_triggers boolean)
RETURNS SETOF text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH root AS (
        SELECT c.*, pg_catalog.pg_get_userbyid(c.relowner) AS owner
        FROM pg_catalog.pg_class AS c WHERE c.oid = soft_delete_obstacles.relation
    ),
    tree AS (
        SELECT c.* FROM dbperf.table_tree(soft_delete_obstacles.relation) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
    )
    SELECT pg_catalog.format('%s is not a table', soft_delete_obstacles.relation) FROM root AS r WHERE r.relkind NOT IN ('r', 'p')
    UNION ALL
    SELECT pg_catalog.format('%s is a temporary table', soft_delete_obstacles.relation) FROM root AS r WHERE r.relpersistence = 't'
    UNION ALL
    SELECT pg_catalog.format(
        '%s is a partition: enable it on %s', soft_delete_obstacles.relation, pg_catalog.pg_partition_root(soft_delete_obstacles.relation)
    ) FROM root AS r WHERE r.relispartition
    UNION ALL
    SELECT pg_catalog.format('%s takes part in table inheritance (INHERITS)', soft_delete_obstacles.relation)
    FROM root AS r
    WHERE r.relkind = 'r' AND NOT r.relispartition
      AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE r.oid IN (i.inhrelid, i.inhparent))
    UNION ALL
    SELECT pg_catalog.format('partition %s is a foreign table', t.oid::regclass) FROM tree AS t WHERE t.relkind = 'f'
    UNION ALL
    SELECT pg_catalog.format('%s has FORCE ROW LEVEL SECURITY, which would hide rows from the triggers', t.oid::regclass)
    FROM tree AS t WHERE t.relforcerowsecurity
    UNION ALL
    SELECT pg_catalog.format('role %I, which owns dbperf, has not the rights of %I, which owns %s', d.nspowner::regrole, t.owner, soft_delete_obstacles.relation)
    FROM root AS t JOIN pg_catalog.pg_namespace AS d ON d.nspname = 'dbperf'
    WHERE NOT pg_catalog.pg_has_role(d.nspowner, t.relowner, 'USAGE')
    UNION ALL
    SELECT pg_catalog.format('role %I, which owns dbperf, has not the rights of the owner of %s, which references %s', d.nspowner::regrole, k.child, soft_delete_obstacles.relation)
    FROM dbperf.inbound_keys(soft_delete_obstacles.relation) AS k
    JOIN pg_catalog.pg_class AS c ON c.oid = k.child
    JOIN pg_catalog.pg_namespace AS d ON d.nspname = 'dbperf'
    WHERE NOT pg_catalog.pg_has_role(d.nspowner, c.relowner, 'USAGE')
    UNION ALL
    SELECT pg_catalog.format('foreign key %I of %s is ON DELETE CASCADE and would leave orphans: CALL dbperf.restrict_cascades(%L) first', k.name, k.child, n.nspname)
    FROM dbperf.outbound_keys(soft_delete_obstacles.relation) AS k
    CROSS JOIN root AS r JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
    WHERE k.on_delete = 'c'
    UNION ALL
    SELECT pg_catalog.format(
        'foreign key %I of %s references a partitioned table and must be DEFERRABLE INITIALLY DEFERRED ON DELETE NO ACTION', k.name, k.child
    )
    FROM dbperf.inbound_keys(soft_delete_obstacles.relation) AS k
    CROSS JOIN root AS r
    WHERE r.relkind = 'p' AND NOT (k.on_delete = 'a' AND k.waits)
    UNION ALL
    SELECT pg_catalog.format(
        '%s has a column %I that is not a nullable %s without default', soft_delete_obstacles.relation, a.attname,
        CASE a.attname WHEN 'deleted_at' THEN 'timestamp with time zone' ELSE 'bigint' END
    )
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = soft_delete_obstacles.relation AND NOT a.attisdropped AND a.attname IN ('deleted_at', 'deleted_batch')
      AND (a.attnotnull OR a.atthasdef OR a.atttypid <> CASE a.attname WHEN 'deleted_at' THEN 'timestamptz'::regtype ELSE 'bigint'::regtype END)
    UNION ALL
    SELECT pg_catalog.format('%s has a column %I of its own: rename it', soft_delete_obstacles.relation, pg_catalog.min(a.attname::text))
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = soft_delete_obstacles.relation AND NOT a.attisdropped AND a.attname IN ('deleted_at', 'deleted_batch')
    HAVING pg_catalog.count(*) = 1
    UNION ALL
    SELECT pg_catalog.format('%s is there and is not its view of live rows', dbperf.active_view_name(soft_delete_obstacles.relation))
    WHERE dbperf.active_view(soft_delete_obstacles.relation) IS NULL
      AND pg_catalog.to_regclass(dbperf.active_view_name(soft_delete_obstacles.relation)) IS NOT NULL
    UNION ALL
    SELECT pg_catalog.format('rule %I of %s rewrites INSERT or DELETE', w.rulename, w.ev_class::regclass)
    FROM tree AS t JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = t.oid
    WHERE w.ev_type IN ('3', '4') -- INSERT, DELETE
    UNION ALL
    SELECT pg_catalog.format('trigger %I of %s %s: accept_triggers => true if that may be', g.tgname, g.tgrelid::regclass, w.what)
    FROM root AS r
    JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.oid
    CROSS JOIN LATERAL ( -- bits of tgtype: 1 ROW, 2 BEFORE, 4 INSERT, 8 DELETE
        VALUES
            ((g.tgtype & 11) = 9, 'fires after a row was deleted, which will not happen any more'),
            ((g.tgtype & 11) = 11 AND g.tgname > 'dbperf_queue_deletion', 'sorts after dbperf_queue_deletion, and will not fire any more before a DELETE'),
            ((g.tgtype & 9) = 8 AND g.tgoldtable IS NOT NULL, 'sees the rows of a DELETE, and will see none any more'),
            ((g.tgtype & 7) = 7 AND g.tgname > 'dbperf_meet_deleted_key', 'sorts after dbperf_meet_deleted_key, which will not see what it changes')
    ) AS w (applies, what)
    WHERE r.relkind = 'r' AND NOT soft_delete_obstacles.accept_triggers AND w.applies AND NOT g.tgisinternal
      AND g.tgfoid NOT IN (SELECT p.oid FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'dbperf')
    UNION ALL
    SELECT pg_catalog.format('trigger %I of %s fires on INSERT and would fire again for each deleted row: accept_triggers => true', g.tgname, g.tgrelid::regclass)
    FROM tree AS t
    JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid
    CROSS JOIN root AS r
    WHERE r.relkind = 'p' AND NOT soft_delete_obstacles.accept_triggers
      AND NOT g.tgisinternal AND g.tgparentid = 0 AND (g.tgtype & 4) <> 0
      AND g.tgfoid NOT IN (SELECT p.oid FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'dbperf')
$$;

COMMENT ON FUNCTION dbperf.soft_delete_obstacles(regclass, boolean) IS
    'Why soft delete would not be safe on the table, one sentence each; none when it is. Locks: ACCESS SHARE on the partitions.';
