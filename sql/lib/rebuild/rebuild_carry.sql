CREATE OR REPLACE FUNCTION dbperf.rebuild_carry(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_statement text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_carry.relation) AS s;
    FOR v_statement IN
        WITH pairs AS (
            SELECT u.live_name, u.shadow_name FROM ROWS FROM (pg_catalog.unnest(v_sides.live_columns), pg_catalog.unnest(v_sides.shadow_columns)) AS u (live_name, shadow_name)
        ),
        settings AS ( -- of columns by the name that the shadow has for them
            SELECT s.relation = v_sides.live AS is_wanted, s.kind,
                   CASE WHEN s.kind = 'column privilege' AND s.relation = v_sides.live THEN ARRAY[p.shadow_name::text] || s.name[2:] ELSE s.name END AS name,
                   CASE WHEN s.kind = 'policy' AND s.relation = v_sides.live THEN dbperf.rebuild_translation(s.relation, 'policy ' || s.name[1], s.value) ELSE s.value END AS value
            FROM dbperf.table_settings(ARRAY[v_sides.live, v_sides.shadow]) AS s
            LEFT JOIN pairs AS p ON s.kind = 'column privilege' AND p.live_name = s.name[1]
            WHERE s.kind IN ('privilege', 'column privilege', 'row security', 'policy', 'replica identity')
        ),
        different AS (
            SELECT d.kind, d.name, pg_catalog.max(d.value) FILTER (WHERE d.is_wanted) AS value, pg_catalog.bool_or(NOT d.is_wanted) AS is_there
            FROM settings AS d GROUP BY d.kind, d.name
            HAVING pg_catalog.max(d.value) FILTER (WHERE d.is_wanted) IS DISTINCT FROM pg_catalog.max(d.value) FILTER (WHERE NOT d.is_wanted)
        )
        SELECT x.statement FROM (
            SELECT 1, NULL AS name, pg_catalog.format('ALTER TABLE %s OWNER TO %I', v_sides.shadow, pg_catalog.pg_get_userbyid(c.relowner)) AS statement
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_class AS t ON t.oid = v_sides.shadow AND t.relowner <> c.relowner
            WHERE c.oid = v_sides.live
            UNION ALL
            SELECT 2, d.name[1], CASE
                WHEN d.value IS NULL AND d.kind = 'policy' THEN pg_catalog.format('DROP POLICY %I ON %s', d.name[1], v_sides.shadow)
                ELSE dbperf.setting_statement(v_sides.shadow, d.kind, d.name, d.value, d.is_there) END
            FROM different AS d
            WHERE d.kind <> 'replica identity' OR d.value IS NOT NULL -- an index like that one
            UNION ALL
            SELECT 3, NULL, pg_catalog.format('COMMENT ON TABLE %s IS %L', v_sides.shadow, pg_catalog.obj_description(v_sides.live, 'pg_class'))
            WHERE pg_catalog.obj_description(v_sides.live, 'pg_class') IS DISTINCT FROM pg_catalog.obj_description(v_sides.shadow, 'pg_class')
              AND (pg_catalog.obj_description(v_sides.live, 'pg_class') IS NOT NULL OR pg_catalog.obj_description(v_sides.shadow, 'pg_class') LIKE 'dbperf: %')
            UNION ALL
            SELECT 3, NULL, pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', v_sides.shadow, t.attname, pg_catalog.col_description(s.attrelid, s.attnum))
            FROM pairs AS p
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = v_sides.live AND s.attname = p.live_name
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = v_sides.shadow AND t.attname = p.shadow_name
            WHERE pg_catalog.col_description(s.attrelid, s.attnum) IS NOT NULL AND pg_catalog.col_description(s.attrelid, s.attnum) IS DISTINCT FROM pg_catalog.col_description(t.attrelid, t.attnum)
            UNION ALL
            SELECT 3, NULL, pg_catalog.format('COMMENT ON POLICY %I ON %s IS %L', p.polname, v_sides.shadow, d.text)
            FROM pg_catalog.pg_policy AS p CROSS JOIN LATERAL pg_catalog.obj_description(p.oid, 'pg_policy') AS d (text)
            WHERE p.polrelid = v_sides.live AND d.text IS NOT NULL
            UNION ALL -- a default that the author left out; nextval() is of the same sequence
            SELECT 4, NULL, pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', v_sides.shadow, t.attname, pg_catalog.pg_get_expr(f.adbin, f.adrelid))
            FROM pairs AS p
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = v_sides.live AND s.attname = p.live_name AND s.attgenerated = ''
            JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = s.attrelid AND f.adnum = s.attnum
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = v_sides.shadow AND t.attname = p.shadow_name AND NOT t.atthasdef AND t.attidentity = ''
        ) AS x (place, name, statement)
        WHERE x.statement IS NOT NULL
        ORDER BY x.place, x.name
    LOOP
        EXECUTE v_statement;
    END LOOP;
    UPDATE dbperf.rebuild AS b SET translations = b.translations || coalesce((
        SELECT pg_catalog.jsonb_object_agg('policy ' || x.name[1], pg_catalog.jsonb_build_object('source', x.source, 'target', x.target))
        FROM (
            SELECT s.name, pg_catalog.max(s.value) FILTER (WHERE s.relation = b.source) AS source, pg_catalog.max(s.value) FILTER (WHERE s.relation = b.target) AS target
            FROM dbperf.table_settings(ARRAY[b.source, b.target]) AS s WHERE s.kind = 'policy' GROUP BY s.name
        ) AS x
    ), '{}')
    WHERE b.id = v_sides.id;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_carry(regclass) IS
    'Gives the table that is kept in step the owner, privileges, row security, policies, comments, defaults and replica identity of the one that is used. Locks: ACCESS EXCLUSIVE on the former, ACCESS SHARE on the latter.';
