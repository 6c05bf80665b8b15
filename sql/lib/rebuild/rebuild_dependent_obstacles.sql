CREATE OR REPLACE FUNCTION dbperf.rebuild_dependent_obstacles(relation regclass, target regclass)
RETURNS TABLE (kind text, reason text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT 'publication', pg_catalog.format('%s is published by %I: its subscribers have to be told first', rebuild_dependent_obstacles.relation, p.pubname)
        FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
        WHERE r.prrelid = rebuild_dependent_obstacles.relation
        UNION ALL
        SELECT 'publication', pg_catalog.format('%s is published by %I, which publishes the copy and the log as well', rebuild_dependent_obstacles.relation, p.pubname)
        FROM pg_catalog.pg_publication AS p WHERE p.puballtables
           OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS n JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.pnnspid WHERE n.pnpubid = p.oid AND c.oid = rebuild_dependent_obstacles.relation)
        UNION ALL
        SELECT 'filter', pg_catalog.format('publication %I has a row filter or a list of columns for %s', p.pubname, rebuild_dependent_obstacles.relation)
        FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
        WHERE r.prrelid = rebuild_dependent_obstacles.relation AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL);
    RETURN QUERY
        SELECT 'trigger', pg_catalog.format('trigger %I of %s cannot stand on a partitioned table', g.tgname, rebuild_dependent_obstacles.relation)
        FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_class AS c ON c.oid = rebuild_dependent_obstacles.target AND c.relkind = 'p'
        WHERE g.tgrelid = rebuild_dependent_obstacles.relation AND NOT g.tgisinternal AND (g.tgtype & 1) = 1 -- FOR EACH ROW
          AND (g.tgoldtable IS NOT NULL OR g.tgnewtable IS NOT NULL);
    RETURN QUERY -- they would fire for rows that are copied; those of the table are made on it when the names are swapped
        SELECT 'trigger', pg_catalog.format('%s has a trigger %I of its own', g.tgrelid::regclass, g.tgname)
        FROM pg_catalog.pg_trigger AS g
        WHERE g.tgrelid IN (SELECT dbperf.table_tree(rebuild_dependent_obstacles.target))
          AND NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled <> 'D' AND g.tgname NOT LIKE 'dbperf\_%';
    RETURN QUERY -- what is made anew or altered has to be ours
        SELECT 'owner', pg_catalog.format('this role does not own %s', o.name)
        FROM (
            SELECT pg_catalog.format('view %s', v.view) AS name, c.relowner AS owner FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v JOIN pg_catalog.pg_class AS c ON c.oid = v.view
            UNION
            SELECT pg_catalog.format('%s, which references %s', c.oid::regclass, rebuild_dependent_obstacles.relation), c.relowner
            FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid WHERE k.confrelid = rebuild_dependent_obstacles.relation AND k.contype = 'f'
            UNION
            SELECT pg_catalog.format('publication %I', p.pubname), p.pubowner
            FROM pg_catalog.pg_publication_rel AS r JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid WHERE r.prrelid = rebuild_dependent_obstacles.relation
        ) AS o
        WHERE NOT pg_catalog.pg_has_role(o.owner, 'USAGE')
        UNION ALL
        SELECT DISTINCT 'owner', pg_catalog.format('this role may not lock %s, which %s references', k.confrelid::regclass, k.conrelid::regclass)
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid IN (rebuild_dependent_obstacles.relation, rebuild_dependent_obstacles.target) AND k.contype = 'f'
          AND NOT pg_catalog.has_table_privilege(k.confrelid, 'UPDATE, DELETE, TRUNCATE');
    RETURN QUERY
        SELECT 'view', pg_catalog.format('temporary view %I of some session reads %s', c.relname, rebuild_dependent_obstacles.relation)
        FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v JOIN pg_catalog.pg_class AS c ON c.oid = v.view WHERE c.relpersistence = 't';
    RETURN QUERY
        SELECT 'policy', pg_catalog.format('%s has a policy %I of its own', rebuild_dependent_obstacles.target, p.polname)
        FROM pg_catalog.pg_policy AS p
        WHERE p.polrelid = rebuild_dependent_obstacles.target AND NOT EXISTS (
            SELECT FROM dbperf.rebuild AS b WHERE rebuild_dependent_obstacles.target IN (b.source, b.target) -- one that was begun put them there
        );
    RETURN QUERY
        SELECT 'policy', pg_catalog.format('policy %I of %s reads the table itself', p.polname, rebuild_dependent_obstacles.relation)
        FROM pg_catalog.pg_policy AS p
        WHERE p.polrelid = rebuild_dependent_obstacles.relation
          AND pg_catalog.concat(p.polqual, p.polwithcheck) ~ pg_catalog.format(':relid %s ', p.polrelid);
    RETURN QUERY
        SELECT 'view', pg_catalog.format('view %s has rules or triggers of its own', v.view)
        FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v
        WHERE EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = v.view AND w.rulename <> '_RETURN')
           OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = v.view AND g.tgname <> 'dbperf_delete_active');
    RETURN QUERY -- whatever else knows the table by its oid, and is neither part of it nor made again
        SELECT 'dependent', pg_catalog.format('%s depends on %s', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), rebuild_dependent_obstacles.relation)
        FROM (
            SELECT rebuild_dependent_obstacles.relation::oid AS oid UNION SELECT v.view FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v
        ) AS x
        JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = x.oid AND d.deptype IN ('n', 'a')
        WHERE NOT CASE d.classid
            WHEN 'pg_catalog.pg_rewrite'::regclass THEN EXISTS (
                SELECT FROM pg_catalog.pg_rewrite AS w
                WHERE w.oid = d.objid AND (w.ev_class = x.oid OR w.ev_class IN (SELECT v.view FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v))
            )
            WHEN 'pg_catalog.pg_class'::regclass THEN EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = d.objid AND c.relkind IN ('i', 'I', 'S', 't'))
                OR d.objid IN (SELECT dbperf.table_tree(x.oid))
            WHEN 'pg_catalog.pg_policy'::regclass THEN EXISTS (SELECT FROM pg_catalog.pg_policy AS o WHERE o.oid = d.objid AND o.polrelid = x.oid)
            WHEN 'pg_catalog.pg_trigger'::regclass THEN EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.oid = d.objid AND (g.tgrelid = x.oid OR g.tgisinternal))
            WHEN 'pg_catalog.pg_constraint'::regclass THEN true
            WHEN 'pg_catalog.pg_attrdef'::regclass THEN true
            WHEN 'pg_catalog.pg_statistic_ext'::regclass THEN true
            WHEN 'pg_catalog.pg_publication_rel'::regclass THEN true
            ELSE false
        END;
    RETURN QUERY
        SELECT 'dependent', pg_catalog.format('%s uses the row type of %s', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), c.oid::regclass)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_type AS y ON y.oid IN (c.reltype, (SELECT t.typarray FROM pg_catalog.pg_type AS t WHERE t.oid = c.reltype))
        JOIN pg_catalog.pg_depend AS d ON d.refclassid = 'pg_catalog.pg_type'::regclass AND d.refobjid = y.oid AND d.deptype = 'n'
        WHERE c.oid = rebuild_dependent_obstacles.relation OR c.oid IN (SELECT v.view FROM dbperf.rebuild_views(rebuild_dependent_obstacles.relation) AS v);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_dependent_obstacles(regclass, regclass) IS
    'What depends on the table and would go on to mean the old one: publications, which can be accepted, triggers that the target cannot have, functions, materialized views, other tables. Views are made again. Locks: none.';
