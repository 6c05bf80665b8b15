CREATE OR REPLACE FUNCTION dbperf.table_settings(tables regclass[])
RETURNS TABLE (relation regclass, kind text, name text[], value text)
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off -- nobody can estimate how many settings there are: compiling would take longer than the query
AS $$
    WITH given AS (
        SELECT c.*, n.nspname FROM pg_catalog.unnest(table_settings.tables) AS u (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = u.relation
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    ),
    columns AS (
        SELECT g.relowner, a.* FROM given AS g
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = g.oid AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT g.oid::regclass, 'parameter', ARRAY[o.option_name], o.option_value
    FROM given AS g CROSS JOIN LATERAL pg_catalog.pg_options_to_table(g.reloptions) AS o
    UNION ALL
    SELECT g.oid, 'parameter', ARRAY['toast.' || o.option_name], o.option_value
    FROM given AS g JOIN pg_catalog.pg_class AS t ON t.oid = g.reltoastrelid CROSS JOIN LATERAL pg_catalog.pg_options_to_table(t.reloptions) AS o
    UNION ALL
    SELECT c.attrelid, 'column statistics', ARRAY[c.attname::text], c.attstattarget::text
    FROM columns AS c WHERE c.attstattarget >= 0
    UNION ALL
    SELECT c.attrelid, 'column option', ARRAY[c.attname::text, o.option_name], o.option_value
    FROM columns AS c CROSS JOIN LATERAL pg_catalog.pg_options_to_table(c.attoptions) AS o
    UNION ALL
    SELECT c.attrelid, 'column storage', ARRAY[c.attname::text], CASE c.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
    FROM columns AS c WHERE c.attlen = -1
    UNION ALL
    SELECT c.attrelid, 'column compression', ARRAY[c.attname::text], CASE c.attcompression WHEN 'p' THEN 'pglz' ELSE 'lz4' END
    FROM columns AS c WHERE c.attcompression <> ''
    UNION ALL -- one row, whoever granted it
    SELECT g.oid, 'privilege', ARRAY[x.privilege_type, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END],
           CASE WHEN pg_catalog.bool_or(x.is_grantable) THEN ' WITH GRANT OPTION' ELSE '' END
    FROM given AS g CROSS JOIN LATERAL pg_catalog.aclexplode(g.relacl) AS x
    WHERE x.grantee <> g.relowner GROUP BY g.oid, x.privilege_type, x.grantee
    UNION ALL
    SELECT c.attrelid, 'column privilege', ARRAY[c.attname::text, x.privilege_type, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END],
           CASE WHEN pg_catalog.bool_or(x.is_grantable) THEN ' WITH GRANT OPTION' ELSE '' END
    FROM columns AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.attacl) AS x
    WHERE x.grantee <> c.relowner GROUP BY c.attrelid, c.attname, x.privilege_type, x.grantee
    UNION ALL
    SELECT g.oid, 'row security', ARRAY['ENABLE'], '' FROM given AS g WHERE g.relrowsecurity
    UNION ALL
    SELECT g.oid, 'row security', ARRAY['FORCE'], '' FROM given AS g WHERE g.relforcerowsecurity
    UNION ALL -- \x01 is the table's name
    SELECT g.oid, 'policy', ARRAY[p.polname::text],
           pg_catalog.format('AS %s FOR %s TO %s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               (SELECT pg_catalog.string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ' ORDER BY r) FROM pg_catalog.unnest(p.polroles) AS r))
           || pg_catalog.regexp_replace(
               coalesce(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', '') || coalesce(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''),
               '(^|[^[:alnum:]_$."])' || pg_catalog.regexp_replace(pg_catalog.quote_ident(g.relname), '([^[:alnum:]_])', '\\\1', 'g') || '\.', E'\\1\x01.', 'g')
    FROM given AS g JOIN pg_catalog.pg_policy AS p ON p.polrelid = g.oid
    UNION ALL -- neither dbperf's own, which soft delete looks after, nor those that the partitioned table hands down
    SELECT g.oid, 'trigger', ARRAY[t.tgname::text],
           t.tgenabled::text || pg_catalog.overlay(d.text, E' ON \x01 ', pg_catalog.strpos(d.text, d.place), pg_catalog.length(d.place))
    FROM given AS g
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = g.oid AND NOT t.tgisinternal AND t.tgparentid = 0
    JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace AND n.nspname <> 'dbperf'
    CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_triggerdef(t.oid), pg_catalog.format(' ON %I.%I ', g.nspname, g.relname)) AS d (text, place)
    UNION ALL
    SELECT g.oid, 'replica identity', '{}', CASE g.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL' ELSE (
        SELECT dbperf.index_definition(i.indexrelid) FROM pg_catalog.pg_index AS i WHERE i.indrelid = g.oid AND i.indisreplident
    ) END
    FROM given AS g WHERE g.relreplident <> 'd'
    UNION ALL
    SELECT g.oid, 'cluster', '{}', dbperf.index_definition(i.indexrelid)
    FROM given AS g JOIN pg_catalog.pg_index AS i ON i.indrelid = g.oid AND i.indisclustered
$$;

COMMENT ON FUNCTION dbperf.table_settings(regclass[]) IS
    'What a template hands on, of each of these tables, without the table''s name; defaults are left out. Not the owner''s privileges. Locks: none.';
