CREATE OR REPLACE FUNCTION dbperf.rebuild_column_obstacles(relation regclass, target regclass, mapping jsonb)
RETURNS TABLE (kind text, reason text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT 'column', pg_catalog.format('the mapping names %I, which %s does not have', m.name, m.relation)
        FROM (
            SELECT e.key AS name, rebuild_column_obstacles.target AS relation FROM pg_catalog.jsonb_each_text(rebuild_column_obstacles.mapping) AS e
            UNION ALL SELECT e.value, rebuild_column_obstacles.relation FROM pg_catalog.jsonb_each_text(rebuild_column_obstacles.mapping) AS e WHERE e.value IS NOT NULL
        ) AS m
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = m.relation AND a.attname = m.name AND a.attnum > 0 AND NOT a.attisdropped);
    RETURN QUERY
        SELECT 'column', pg_catalog.format('column %I of %s has no place in %s', s.attname, rebuild_column_obstacles.relation, rebuild_column_obstacles.target)
        FROM pg_catalog.pg_attribute AS s
        WHERE s.attrelid = rebuild_column_obstacles.relation AND s.attnum > 0 AND NOT s.attisdropped AND s.attgenerated = ''
          AND 1 <> (
              SELECT pg_catalog.count(*)
              FROM dbperf.rebuild_pairs(rebuild_column_obstacles.relation, rebuild_column_obstacles.target, rebuild_column_obstacles.mapping) AS p
              WHERE p.source_column = s.attname
          );
    RETURN QUERY
        SELECT 'column', pg_catalog.format('column %I of %s takes no NULL: %s', t.attname, rebuild_column_obstacles.target,
                                           CASE WHEN s.attname IS NULL THEN 'nothing fills it' ELSE pg_catalog.format('%I of %s may be NULL', s.attname, rebuild_column_obstacles.relation) END)
        FROM pg_catalog.pg_attribute AS t
        LEFT JOIN dbperf.rebuild_pairs(rebuild_column_obstacles.relation, rebuild_column_obstacles.target, rebuild_column_obstacles.mapping) AS p ON p.target_column = t.attname
        LEFT JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_column_obstacles.relation AND s.attname = p.source_column
        WHERE t.attrelid = rebuild_column_obstacles.target AND t.attnum > 0 AND NOT t.attisdropped AND t.attnotnull AND t.attgenerated = ''
          AND (s.attname IS NOT NULL AND NOT s.attnotnull OR s.attname IS NULL AND NOT t.atthasdef AND t.attidentity = '');
    RETURN QUERY -- numbers go on where they are only if they come from the same place
        SELECT 'column', pg_catalog.format('column %I of %s does not take its numbers from where %I of %s does', t.attname, rebuild_column_obstacles.target, s.attname, rebuild_column_obstacles.relation)
        FROM dbperf.rebuild_pairs(rebuild_column_obstacles.relation, rebuild_column_obstacles.target, rebuild_column_obstacles.mapping) AS p
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_column_obstacles.relation AND s.attname = p.source_column
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_column_obstacles.target AND t.attname = p.target_column
        LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = s.attrelid AND f.adnum = s.attnum
        LEFT JOIN pg_catalog.pg_attrdef AS g ON g.adrelid = t.attrelid AND g.adnum = t.attnum
        WHERE (s.attidentity <> '') <> (t.attidentity <> '')
           OR pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%' AND g.adbin IS NOT NULL AND pg_catalog.pg_get_expr(g.adbin, g.adrelid) <> pg_catalog.pg_get_expr(f.adbin, f.adrelid);
    RETURN QUERY
        SELECT 'column', pg_catalog.format('column %I of %s is generated, and %s has no generated column of this name', s.attname, rebuild_column_obstacles.relation, rebuild_column_obstacles.target)
        FROM pg_catalog.pg_attribute AS s
        WHERE s.attrelid = rebuild_column_obstacles.relation AND NOT s.attisdropped AND s.attgenerated <> '' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS t WHERE t.attrelid = rebuild_column_obstacles.target AND t.attname = s.attname AND t.attgenerated <> '' AND NOT t.attisdropped
        );
    RETURN QUERY -- nobody copies them, so nobody compares them
        SELECT 'generated', pg_catalog.format('column %I is computed otherwise in %s than in %s, or from columns of other types: its values can differ', s.attname, rebuild_column_obstacles.target, rebuild_column_obstacles.relation)
        FROM pg_catalog.pg_attribute AS s
        JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = s.attrelid AND f.adnum = s.attnum
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_column_obstacles.target AND t.attname = s.attname AND t.attgenerated <> '' AND NOT t.attisdropped
        JOIN pg_catalog.pg_attrdef AS g ON g.adrelid = t.attrelid AND g.adnum = t.attnum
        WHERE s.attrelid = rebuild_column_obstacles.relation AND s.attgenerated <> '' AND NOT s.attisdropped
          AND (pg_catalog.pg_get_expr(f.adbin, f.adrelid) <> pg_catalog.pg_get_expr(g.adbin, g.adrelid) OR (s.atttypid, s.atttypmod) <> (t.atttypid, t.atttypmod) OR EXISTS (
              SELECT FROM pg_catalog.pg_depend AS d
              JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum <> s.attnum
              LEFT JOIN dbperf.rebuild_pairs(rebuild_column_obstacles.relation, rebuild_column_obstacles.target, rebuild_column_obstacles.mapping) AS p ON p.source_column = a.attname
              LEFT JOIN pg_catalog.pg_attribute AS b ON b.attrelid = rebuild_column_obstacles.target AND b.attname = p.target_column
              WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = s.attrelid
                AND (a.atttypid, a.atttypmod) IS DISTINCT FROM (b.atttypid, b.atttypmod)
          ));
    RETURN QUERY -- there and, for revert, back
        SELECT 'column', pg_catalog.format('%s does not become %s in column %I', pg_catalog.format_type(s.atttypid, s.atttypmod), pg_catalog.format_type(t.atttypid, t.atttypmod), t.attname)
        FROM dbperf.rebuild_pairs(rebuild_column_obstacles.relation, rebuild_column_obstacles.target, rebuild_column_obstacles.mapping) AS p
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_column_obstacles.relation AND s.attname = p.source_column
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_column_obstacles.target AND t.attname = p.target_column
        WHERE s.atttypid <> t.atttypid AND 2 <> (
            SELECT pg_catalog.count(*) FROM (VALUES (s.atttypid, t.atttypid), (t.atttypid, s.atttypid)) AS w (from_type, to_type)
            WHERE EXISTS (SELECT FROM pg_catalog.pg_cast AS c WHERE c.castsource = w.from_type AND c.casttarget = w.to_type)
               -- by their text
               OR EXISTS (SELECT FROM pg_catalog.pg_type AS y WHERE y.oid IN (w.from_type, w.to_type) AND y.typcategory = 'S')
        );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_column_obstacles(regclass, regclass, jsonb) IS
    'Columns that stand in the way of a rebuild. Locks: none.';
