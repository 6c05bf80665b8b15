CREATE OR REPLACE FUNCTION dbperf.setting_statement(relation regclass, kind text, name text[], value text, is_there boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_alter CONSTANT text := pg_catalog.format('ALTER TABLE %s ', setting_statement.relation);
    v_column CONSTANT text := v_alter || pg_catalog.format('ALTER COLUMN %I ', coalesce(setting_statement.name[1], ''));
    v_table CONSTANT name := (SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.oid = setting_statement.relation);
    v_privilege text;
    v_index text;
BEGIN
    CASE setting_statement.kind
        WHEN 'parameter' THEN
            IF setting_statement.name[1] LIKE 'toast.%' AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = setting_statement.relation AND c.reltoastrelid <> 0) THEN
                RETURN NULL;
            END IF;
            RETURN v_alter || CASE WHEN setting_statement.value IS NULL THEN pg_catalog.format('RESET (%s)', setting_statement.name[1])
                ELSE pg_catalog.format('SET (%s = %L)', setting_statement.name[1], setting_statement.value) END;
        WHEN 'column statistics' THEN
            RETURN v_column || 'SET STATISTICS ' || coalesce(setting_statement.value, '-1');
        WHEN 'column option' THEN
            RETURN v_column || CASE WHEN setting_statement.value IS NULL THEN pg_catalog.format('RESET (%s)', setting_statement.name[2])
                ELSE pg_catalog.format('SET (%s = %L)', setting_statement.name[2], setting_statement.value) END;
        WHEN 'column storage' THEN
            RETURN v_column || 'SET STORAGE ' || setting_statement.value;
        WHEN 'column compression' THEN
            RETURN v_column || 'SET COMPRESSION ' || coalesce(setting_statement.value, 'default');
        WHEN 'privilege', 'column privilege' THEN
            v_privilege := CASE WHEN setting_statement.kind = 'privilege' THEN setting_statement.name[1] ELSE pg_catalog.format('%s (%I)', setting_statement.name[2], setting_statement.name[1]) END
                           || pg_catalog.format(' ON %s ', setting_statement.relation);
            RETURN CASE
                WHEN setting_statement.value IS NULL THEN 'REVOKE ' || v_privilege || 'FROM ' || setting_statement.name[pg_catalog.cardinality(setting_statement.name)] || ' CASCADE'
                WHEN setting_statement.value = '' AND setting_statement.is_there
                    THEN 'REVOKE GRANT OPTION FOR ' || v_privilege || 'FROM ' || setting_statement.name[pg_catalog.cardinality(setting_statement.name)] || ' CASCADE'
                ELSE 'GRANT ' || v_privilege || 'TO ' || setting_statement.name[pg_catalog.cardinality(setting_statement.name)] || setting_statement.value
            END;
        WHEN 'row security' THEN
            RETURN v_alter || CASE WHEN setting_statement.value IS NOT NULL THEN setting_statement.name[1] WHEN setting_statement.name[1] = 'ENABLE' THEN 'DISABLE' ELSE 'NO FORCE' END || ' ROW LEVEL SECURITY';
        WHEN 'policy' THEN -- one string: nobody sees the table without it
            RETURN pg_catalog.concat_ws('; ',
                CASE WHEN setting_statement.is_there THEN pg_catalog.format('DROP POLICY %I ON %s', setting_statement.name[1], setting_statement.relation) END,
                pg_catalog.format('CREATE POLICY %I ON %s ', setting_statement.name[1], setting_statement.relation) || pg_catalog.replace(setting_statement.value, E'\x01', pg_catalog.quote_ident(v_table)));
        WHEN 'trigger' THEN
            RETURN pg_catalog.concat_ws('; ',
                CASE WHEN setting_statement.is_there THEN pg_catalog.format('DROP TRIGGER %I ON %s', setting_statement.name[1], setting_statement.relation) END,
                pg_catalog.replace(pg_catalog.substr(setting_statement.value, 2), E'\x01', setting_statement.relation::text),
                v_alter || CASE pg_catalog.left(setting_statement.value, 1) WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END
                        || pg_catalog.format(' TRIGGER %I', setting_statement.name[1]));
        ELSE -- replica identity and cluster name an index, which a partition has once it is attached
            SELECT pg_catalog.quote_ident(c.relname) INTO v_index
            FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = setting_statement.relation AND i.indisvalid AND dbperf.index_definition(i.indexrelid) = setting_statement.value
            ORDER BY c.oid LIMIT 1;
            RETURN v_alter || CASE
                WHEN setting_statement.kind = 'cluster' THEN coalesce('CLUSTER ON ' || v_index, CASE WHEN setting_statement.value IS NULL THEN 'SET WITHOUT CLUSTER' END)
                ELSE 'REPLICA IDENTITY ' || CASE WHEN setting_statement.value IS NULL THEN 'DEFAULT' WHEN setting_statement.value IN ('NOTHING', 'FULL') THEN setting_statement.value ELSE 'USING INDEX ' || v_index END
            END;
    END CASE;
END
$$;

COMMENT ON FUNCTION dbperf.setting_statement(regclass, text, text[], text, boolean) IS
    'Statement that gives the table a setting of dbperf.table_settings(), or takes it away if the value is NULL; NULL if the table cannot have it yet. Locks: none; the statement says its.';
