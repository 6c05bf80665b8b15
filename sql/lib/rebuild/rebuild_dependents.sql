CREATE OR REPLACE FUNCTION dbperf.rebuild_dependents(live regclass, shadow regclass, live_columns name[], shadow_columns name[])
RETURNS TABLE (stage integer, place integer, statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_name CONSTANT text := rebuild_dependents.live; -- after the swap it means the other table
BEGIN
    -- before the names are swapped: 1
    RETURN QUERY SELECT 1, -v.depth, pg_catalog.format('DROP VIEW %s', v.view) FROM dbperf.rebuild_views(rebuild_dependents.live) AS v;
    RETURN QUERY
        SELECT 1, 1, pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
        FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = rebuild_dependents.live AND k.contype = 'f' AND k.conparentid = 0;

    -- after it: 2. What is said here by name is about the other table then.
    RETURN QUERY SELECT 2, v.depth * 10 + s.place, s.statement FROM dbperf.rebuild_views(rebuild_dependents.live) AS v CROSS JOIN LATERAL dbperf.rebuild_view_statements(v.view, dbperf.rebuild_translation(rebuild_dependents.live, 'view ' || v.view, pg_catalog.pg_get_viewdef(v.view))) AS s;
    RETURN QUERY
        SELECT 2, 0, pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', k.conrelid::regclass, k.conname, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''))
        FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = rebuild_dependents.live AND k.contype = 'f' AND k.conparentid = 0;
    RETURN QUERY
        SELECT 2, 0, pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, k.conrelid::regclass, d.text)
        FROM pg_catalog.pg_constraint AS k CROSS JOIN LATERAL pg_catalog.obj_description(k.oid, 'pg_constraint') AS d (text)
        WHERE k.confrelid = rebuild_dependents.live AND k.contype = 'f' AND k.conparentid = 0 AND d.text IS NOT NULL;
    RETURN QUERY
        SELECT 2, 1, t.statement
        FROM pg_catalog.pg_trigger AS g
        JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname <> 'dbperf'
        CROSS JOIN LATERAL (
            SELECT pg_catalog.format('DROP TRIGGER %I ON %s', g.tgname, v_name) AS statement -- one that was replaced since
            FROM pg_catalog.pg_trigger AS x
            WHERE x.tgrelid = rebuild_dependents.shadow AND x.tgname = g.tgname AND (x.tgfoid, x.tgtype, x.tgargs, x.tgqual IS NULL) <> (g.tgfoid, g.tgtype, g.tgargs, g.tgqual IS NULL)
            UNION ALL
            SELECT pg_catalog.pg_get_triggerdef(g.oid)
            WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS x
                WHERE x.tgrelid = rebuild_dependents.shadow AND x.tgname = g.tgname AND (x.tgfoid, x.tgtype, x.tgargs, x.tgqual IS NULL) = (g.tgfoid, g.tgtype, g.tgargs, g.tgqual IS NULL)
            )
            UNION ALL
            SELECT pg_catalog.format('COMMENT ON TRIGGER %I ON %s IS %L', g.tgname, v_name, d.text)
            FROM pg_catalog.obj_description(g.oid, 'pg_trigger') AS d (text) WHERE d.text IS NOT NULL
            UNION ALL
            SELECT pg_catalog.format('ALTER TABLE %s %s TRIGGER %I', v_name, CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE' END, g.tgname)
        ) AS t
        WHERE g.tgrelid = rebuild_dependents.live AND NOT g.tgisinternal AND g.tgparentid = 0;
    RETURN QUERY -- serial: the sequence goes with the column, and is as wide
        SELECT 2, 2, t.statement
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
        JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = c.oid
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        JOIN ROWS FROM (pg_catalog.unnest(rebuild_dependents.live_columns), pg_catalog.unnest(rebuild_dependents.shadow_columns)) AS u (live_name, shadow_name) ON u.live_name = a.attname
        JOIN pg_catalog.pg_attribute AS x ON x.attrelid = rebuild_dependents.shadow AND x.attname = u.shadow_name
        CROSS JOIN LATERAL (
            SELECT pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', c.oid::regclass, v_name, u.shadow_name) AS statement
            UNION ALL
            SELECT pg_catalog.format('ALTER SEQUENCE %s AS %s', c.oid::regclass, x.atttypid::regtype)
            WHERE x.atttypid <> q.seqtypid AND x.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
              -- one that has gone further than the column can hold stays as it is
              AND coalesce(pg_catalog.pg_sequence_last_value(c.oid), 1) <= CASE x.atttypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647 ELSE 9223372036854775807 END
        ) AS t
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = rebuild_dependents.live AND d.deptype = 'a';
    RETURN QUERY -- identity: the other column has a sequence of its own
        SELECT 1, 3, pg_catalog.format('SELECT pg_catalog.setval(%s, s.last_value, s.is_called) FROM %s AS s', j.sequence::oid, i.sequence)
        FROM ROWS FROM (pg_catalog.unnest(rebuild_dependents.live_columns), pg_catalog.unnest(rebuild_dependents.shadow_columns)) AS u (live_name, shadow_name)
        CROSS JOIN LATERAL dbperf.rebuild_identity(rebuild_dependents.live, u.live_name) AS i (sequence)
        CROSS JOIN LATERAL dbperf.rebuild_identity(rebuild_dependents.shadow, u.shadow_name) AS j (sequence);
    RETURN QUERY
        SELECT w.stage, 4, pg_catalog.format('ALTER PUBLICATION %I %s TABLE %s', p.pubname, w.verb, v_name)
        FROM pg_catalog.pg_publication_rel AS r
        JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
        CROSS JOIN (VALUES (1, 'DROP'), (2, 'ADD')) AS w (stage, verb)
        WHERE r.prrelid = rebuild_dependents.live;
    -- when nobody waits any more: 3
    RETURN QUERY
        SELECT 3, 0, pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname)
        FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = rebuild_dependents.live AND k.contype = 'f' AND k.conparentid = 0 AND k.convalidated;
    RETURN QUERY -- partitions are named after their table, and indexes that stand for no other; IF EXISTS: said twice if nothing was run between two swaps
        SELECT 3, 1, pg_catalog.format('ALTER TABLE IF EXISTS %s RENAME TO %I', l.oid::regclass, n.name)
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_class AS t ON t.oid = rebuild_dependents.live
        JOIN pg_catalog.pg_class AS l ON pg_catalog.starts_with(l.relname::text, c.relname || '_') AND l.oid IN (
            SELECT dbperf.partition_leaves(c.oid)
            UNION ALL
            SELECT x.indexrelid FROM pg_catalog.pg_index AS x
            WHERE x.indrelid = c.oid AND x.indexrelid NOT IN (
                SELECT i.shadow_index FROM dbperf.rebuild_indexes(rebuild_dependents.live, c.oid, rebuild_dependents.live_columns, rebuild_dependents.shadow_columns) AS i
            )
        )
        CROSS JOIN LATERAL (SELECT dbperf.cut_name(t.relname, 62 - pg_catalog.length(l.relname) + pg_catalog.length(c.relname)) || pg_catalog.substr(l.relname, pg_catalog.length(c.relname) + 1) AS name) AS n
        WHERE c.oid = rebuild_dependents.shadow
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS x WHERE x.relnamespace = l.relnamespace AND x.relname = n.name);
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_dependents(regclass, regclass, name[], name[]) IS
    'Statements that let what depends on one table depend on the other: views, triggers, sequences, publications, foreign keys of others; before (1) and after (2) the names are swapped, and when the swap is over (3). Locks: none.';
