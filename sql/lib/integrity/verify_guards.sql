CREATE OR REPLACE FUNCTION dbperf.verify_guards(relation regclass)
RETURNS TABLE (severity text, check_name text, subject text, message text)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    WITH asked AS (
        SELECT t.*, ARRAY(SELECT dbperf.table_tree(t.relation)) AS tables FROM dbperf.soft_delete_table AS t WHERE t.relation = verify_guards.relation
    ),
    tree AS (
        SELECT c.* FROM dbperf.table_tree(verify_guards.relation) AS t (relation) JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
    ),
    wanted AS (
        SELECT g.guarded, g.name, n.checksum
        FROM asked AS a
        CROSS JOIN LATERAL dbperf.soft_delete_guards(a.relation, a.hot, a.on_deleted_key, a.tables) AS g
        LEFT JOIN dbperf.soft_delete_guard AS n ON n.guarded = g.guarded AND n.name = g.name
        UNION -- those of a root stand on each partition too, and can be disabled there
        SELECT p.relation, g.name, NULL
        FROM asked AS a
        CROSS JOIN LATERAL dbperf.soft_delete_guards(a.relation, a.hot, a.on_deleted_key, a.tables) AS g
        CROSS JOIN LATERAL dbperf.table_tree(a.relation) AS p (relation)
        WHERE g.guarded = a.relation AND g.definition LIKE '% FOR EACH ROW %'
    ),
    found AS (
        SELECT w.guarded, w.name, w.checksum, g.tgenabled, dbperf.guard_checksum(w.guarded, w.name) AS now
        FROM wanted AS w
        LEFT JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = w.guarded AND g.tgname = w.name
    )
    SELECT 'problem', 'guard missing', f.name::text,
           pg_catalog.format('trigger %I of %s is missing: SELECT dbperf.enable_soft_delete(%L) makes it again', f.name, f.guarded, verify_guards.relation::text)
    FROM found AS f WHERE f.tgenabled IS NULL
    UNION ALL
    SELECT 'problem', 'guard disabled', f.name::text,
           pg_catalog.format('trigger %I of %s does not fire: ALTER TABLE %s ENABLE TRIGGER %I', f.name, f.guarded, f.guarded, f.name)
    FROM found AS f WHERE f.tgenabled NOT IN ('O', 'A')
    UNION ALL
    SELECT 'problem', 'guard changed', f.name::text,
           pg_catalog.format('trigger %I of %s is not as dbperf made it: SELECT dbperf.enable_soft_delete(%L) makes it again', f.name, f.guarded, verify_guards.relation::text)
    FROM found AS f WHERE f.tgenabled IS NOT NULL AND f.checksum <> f.now
    UNION ALL
    SELECT 'problem', 'guard missing', 'deletion_check_cascade',
           'trigger deletion_check_cascade of dbperf.deletion is missing or disabled: live children of rows that are deleted with cascade are not looked for'
    FROM asked AS a
    WHERE EXISTS (SELECT FROM dbperf.inbound_keys(a.relation)) AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid = 'dbperf.deletion'::regclass AND g.tgname = 'deletion_check_cascade' AND g.tgfoid = 'dbperf.check_cascade'::regproc AND g.tgenabled IN ('O', 'A')
    )
    UNION ALL
    SELECT 'problem', 'view missing', dbperf.active_view_name(a.relation), pg_catalog.format('the view of live rows of %s is missing: SELECT dbperf.enable_soft_delete(%L) makes it again', a.relation, a.relation::text)
    FROM asked AS a
    WHERE dbperf.active_view(a.relation) IS NULL
    UNION ALL
    SELECT 'problem', 'view changed', v.view::text,
           pg_catalog.format('the view %s is not as dbperf would make it: drop it, and SELECT dbperf.enable_soft_delete(%L)', v.view, v.relation::text)
    FROM (SELECT a.relation, dbperf.active_view(a.relation) AS view FROM asked AS a) AS v
    JOIN pg_catalog.pg_class AS c ON c.oid = v.view
    JOIN pg_catalog.pg_class AS t ON t.oid = v.relation
    WHERE coalesce(c.reloptions @> ARRAY['security_invoker=true'], false) IS FALSE
       OR pg_catalog.pg_get_viewdef(c.oid) !~ 'WHERE \(([^()]*\.)?deleted_at IS NULL\);$'
       OR EXISTS (
           (SELECT a.attname FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = v.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('deleted_at', 'deleted_batch'))
           EXCEPT SELECT a.attname FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = v.view
       )
       OR t.relkind = 'r' AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger AS g
           WHERE g.tgrelid = c.oid AND g.tgname = 'dbperf_delete_active' AND g.tgfoid = 'dbperf.delete_active'::regproc AND g.tgenabled IN ('O', 'A')
       )
    UNION ALL
    SELECT 'problem', 'soft delete unsafe', a.relation::text, o.reason
    FROM asked AS a CROSS JOIN LATERAL dbperf.soft_delete_obstacles(a.relation, a.accept_triggers) AS o (reason)
    UNION ALL
    SELECT 'note', 'rights on a partition', t.oid::regclass::text,
           pg_catalog.format('%s may write %s directly', pg_catalog.string_agg(DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, ', '), t.oid::regclass)
    FROM tree AS t CROSS JOIN LATERAL pg_catalog.aclexplode(t.relacl) AS x
    WHERE t.relispartition AND x.grantee <> t.relowner AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
    GROUP BY t.oid
    UNION ALL
    SELECT 'note', 'owner', a.relation::text,
           pg_catalog.format('%s could drop the guards of %s', pg_catalog.string_agg(pg_catalog.quote_ident(r.rolname), ', ' ORDER BY r.rolname), a.relation)
    FROM asked AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.relation
    JOIN pg_catalog.pg_roles AS r ON pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER') AND r.rolcanlogin
    GROUP BY a.relation
$$;

COMMENT ON FUNCTION dbperf.verify_guards(regclass) IS
    'Whether soft delete on the table stands as it was made: triggers missing, disabled or changed, the view, what would be refused today; as notes, who could take it away. Locks: ACCESS SHARE on the partitions.';
