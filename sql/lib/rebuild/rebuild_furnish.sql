CREATE OR REPLACE FUNCTION dbperf.rebuild_furnish(source regclass, target regclass, source_columns name[], target_columns name[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN
        SELECT x.statement FROM (
            -- storage parameters are of tables that hold rows; partitions have other sizes than the whole
            SELECT dbperf.setting_statement(rebuild_furnish.target, s.kind, CASE WHEN s.kind LIKE 'column %' THEN ARRAY[p.target_name::text] || s.name[2:] ELSE s.name END, s.value, false) AS statement
            FROM dbperf.table_settings(ARRAY[rebuild_furnish.source]) AS s
            LEFT JOIN ROWS FROM (pg_catalog.unnest(rebuild_furnish.source_columns), pg_catalog.unnest(rebuild_furnish.target_columns)) AS p (source_name, target_name) ON p.source_name = s.name[1]
            LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = rebuild_furnish.source AND a.attname = s.name[1]
            LEFT JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_furnish.target AND t.attname = p.target_name
            LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
            WHERE CASE s.kind
                      WHEN 'cluster' THEN (SELECT c.relkind = 'r' FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_furnish.target)
                      WHEN 'parameter' THEN (SELECT c.relkind = 'r' FROM pg_catalog.pg_class AS c WHERE c.oid = rebuild_furnish.target)
                      WHEN 'column storage' THEN a.attstorage <> y.typstorage AND t.atttypid = a.atttypid AND t.attstorage = y.typstorage
                      WHEN 'column compression' THEN t.attlen = -1
                      ELSE s.kind IN ('column statistics', 'column option') AND p.target_name IS NOT NULL
                  END
              AND NOT EXISTS ( -- the author's own
                  SELECT FROM dbperf.table_settings(ARRAY[rebuild_furnish.target]) AS o
                  WHERE o.kind = s.kind AND o.kind <> 'column storage' AND o.name = CASE WHEN s.kind LIKE 'column %' THEN ARRAY[p.target_name::text] || s.name[2:] ELSE s.name END
              )
            UNION ALL
            SELECT pg_catalog.format('CREATE STATISTICS %I.%I %s ON %s FROM %s', n.nspname, dbperf.cut_name(x.stxname, 50) || '_next',
                (SELECT pg_catalog.format('(%s)', pg_catalog.string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', ')) FROM pg_catalog.unnest(x.stxkind) AS k WHERE k <> 'e' HAVING pg_catalog.count(*) > 0),
                pg_catalog.pg_get_statisticsobjdef_columns(x.oid), rebuild_furnish.target)
            FROM dbperf.rebuild_statistics(rebuild_furnish.source, rebuild_furnish.target) AS s
            JOIN pg_catalog.pg_statistic_ext AS x ON x.oid = s.live_object
            JOIN pg_catalog.pg_namespace AS n ON n.oid = x.stxnamespace
            WHERE s.shadow_object IS NULL
            UNION ALL
            SELECT pg_catalog.format('COMMENT ON INDEX %s IS %L', i.shadow_index, pg_catalog.obj_description(i.live_index, 'pg_class'))
            FROM dbperf.rebuild_indexes(rebuild_furnish.source, rebuild_furnish.target, rebuild_furnish.source_columns, rebuild_furnish.target_columns) AS i
            WHERE pg_catalog.obj_description(i.live_index, 'pg_class') IS NOT NULL AND pg_catalog.obj_description(i.shadow_index, 'pg_class') IS NULL
            UNION ALL -- identity: as the numbers went on
            SELECT t.statement
            FROM ROWS FROM (pg_catalog.unnest(rebuild_furnish.source_columns), pg_catalog.unnest(rebuild_furnish.target_columns)) AS p (source_name, target_name)
            CROSS JOIN LATERAL dbperf.rebuild_identity(rebuild_furnish.source, p.source_name) AS s (sequence)
            CROSS JOIN LATERAL dbperf.rebuild_identity(rebuild_furnish.target, p.target_name) AS x (sequence)
            JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = s.sequence
            JOIN pg_catalog.pg_class AS c ON c.oid = s.sequence
            CROSS JOIN LATERAL (
                SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET INCREMENT %s SET CACHE %s SET %sCYCLE', rebuild_furnish.target, p.target_name, q.seqincrement, q.seqcache, CASE WHEN NOT q.seqcycle THEN 'NO ' END)
                UNION ALL
                SELECT pg_catalog.format('GRANT %s ON SEQUENCE %s TO %s', g.privilege_type, x.sequence, CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END)
                FROM pg_catalog.aclexplode(c.relacl) AS g WHERE g.grantee <> c.relowner
                UNION ALL
                SELECT pg_catalog.format('COMMENT ON SEQUENCE %s IS %L', x.sequence, d.text)
                FROM pg_catalog.obj_description(s.sequence, 'pg_class') AS d (text) WHERE d.text IS NOT NULL
            ) AS t (statement)
            UNION ALL -- foreign keys take theirs along
            SELECT pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s IS %L', x.conname, rebuild_furnish.target, pg_catalog.obj_description(k.oid, 'pg_constraint'))
            FROM pg_catalog.pg_constraint AS k
            JOIN pg_catalog.pg_constraint AS x ON x.conrelid = rebuild_furnish.target AND x.contype = k.contype AND (k.contype = 'p' OR x.conname = k.conname)
            WHERE k.conrelid = rebuild_furnish.source AND k.contype <> 'f' AND pg_catalog.obj_description(k.oid, 'pg_constraint') IS NOT NULL AND pg_catalog.obj_description(x.oid, 'pg_constraint') IS NULL
        ) AS x
        WHERE x.statement IS NOT NULL
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_furnish(regclass, regclass, name[], name[]) IS
    'Gives the target what its author left out and the source has: storage parameters and CLUSTER (not a partitioned one), statistics targets, storage and compression of columns, extended statistics, increment and privileges of identity sequences, comments of indexes and constraints. Locks: ACCESS EXCLUSIVE on the target, ACCESS SHARE on the source.';
