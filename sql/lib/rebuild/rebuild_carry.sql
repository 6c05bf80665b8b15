CREATE OR REPLACE FUNCTION dbperf.rebuild_carry(live regclass, shadow regclass, live_columns name[], shadow_columns name[])
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_statement text;
BEGIN
    FOR v_statement IN
        WITH pairs AS (
            SELECT u.live_name, u.shadow_name FROM ROWS FROM (pg_catalog.unnest(rebuild_carry.live_columns), pg_catalog.unnest(rebuild_carry.shadow_columns)) AS u (live_name, shadow_name)
        ),
        settings AS ( -- of columns by the name that the shadow has for them
            SELECT s.relation = rebuild_carry.live AS is_wanted, s.kind,
                   CASE WHEN s.kind = 'column privilege' AND s.relation = rebuild_carry.live THEN ARRAY[p.shadow_name::text] || s.name[2:] ELSE s.name END AS name, s.value
            FROM dbperf.table_settings(ARRAY[rebuild_carry.live, rebuild_carry.shadow]) AS s
            LEFT JOIN pairs AS p ON s.kind = 'column privilege' AND p.live_name = s.name[1]
            WHERE s.kind IN ('privilege', 'column privilege', 'row security', 'policy', 'replica identity')
        ),
        different AS (
            SELECT d.kind, d.name, pg_catalog.max(d.value) FILTER (WHERE d.is_wanted) AS value, pg_catalog.bool_or(NOT d.is_wanted) AS is_there
            FROM settings AS d GROUP BY d.kind, d.name
            HAVING pg_catalog.max(d.value) FILTER (WHERE d.is_wanted) IS DISTINCT FROM pg_catalog.max(d.value) FILTER (WHERE NOT d.is_wanted)
        )
        SELECT x.statement FROM (
            SELECT 1, NULL AS name, pg_catalog.format('ALTER TABLE %s OWNER TO %I', rebuild_carry.shadow, pg_catalog.pg_get_userbyid(c.relowner)) AS statement
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_class AS t ON t.oid = rebuild_carry.shadow AND t.relowner <> c.relowner
            WHERE c.oid = rebuild_carry.live
            UNION ALL
            SELECT 2, d.name[1], CASE
                WHEN d.value IS NULL AND d.kind = 'policy' THEN pg_catalog.format('DROP POLICY %I ON %s', d.name[1], rebuild_carry.shadow)
                ELSE dbperf.setting_statement(rebuild_carry.shadow, d.kind, d.name, d.value, d.is_there) END
            FROM different AS d
            WHERE d.kind <> 'replica identity' OR d.value IN ('NOTHING', 'FULL')
            UNION ALL
            SELECT 3, NULL, pg_catalog.format('COMMENT ON TABLE %s IS %L', rebuild_carry.shadow, pg_catalog.obj_description(rebuild_carry.live, 'pg_class'))
            WHERE pg_catalog.obj_description(rebuild_carry.live, 'pg_class') IS DISTINCT FROM pg_catalog.obj_description(rebuild_carry.shadow, 'pg_class')
              AND pg_catalog.obj_description(rebuild_carry.live, 'pg_class') IS NOT NULL
            UNION ALL
            SELECT 3, NULL, pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', rebuild_carry.shadow, t.attname, pg_catalog.col_description(s.attrelid, s.attnum))
            FROM pairs AS p
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_carry.live AND s.attname = p.live_name
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_carry.shadow AND t.attname = p.shadow_name
            WHERE pg_catalog.col_description(s.attrelid, s.attnum) IS NOT NULL AND pg_catalog.col_description(s.attrelid, s.attnum) IS DISTINCT FROM pg_catalog.col_description(t.attrelid, t.attnum)
            UNION ALL -- a default that the author left out; nextval() is of the same sequence
            SELECT 4, NULL, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', rebuild_carry.shadow, t.attname, pg_catalog.pg_get_expr(f.adbin, f.adrelid))
            FROM pairs AS p
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_carry.live AND s.attname = p.live_name AND s.attgenerated = ''
            JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = s.attrelid AND f.adnum = s.attnum
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_carry.shadow AND t.attname = p.shadow_name AND NOT t.atthasdef AND t.attidentity = ''
        ) AS x (place, name, statement)
        WHERE x.statement IS NOT NULL
        ORDER BY x.place, x.name
    LOOP
        EXECUTE v_statement;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_carry(regclass, regclass, name[], name[]) IS
    'Gives the table that is kept in step the owner, privileges, row security, policies, comments, defaults and replica identity of the one that is used. Locks: ACCESS EXCLUSIVE on the former, ACCESS SHARE on the latter.';
