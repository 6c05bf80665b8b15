CREATE OR REPLACE FUNCTION dbperf.keep_former_table(live regclass, former regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_name name;
    v_column name;
    v_index record;
BEGIN
    SELECT t.name INTO v_name FROM dbperf.trading_table AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = keep_former_table.former AND c.relkind = 'r'
    WHERE t.relation = keep_former_table.live;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('DROP TABLE IF EXISTS dbperf.former_%I', v_name);
    EXECUTE pg_catalog.format('CREATE TABLE dbperf.former_%I (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)', v_name, keep_former_table.former);
    PERFORM dbperf.rebuild_furnish(keep_former_table.former, pg_catalog.to_regclass(pg_catalog.format('dbperf.former_%I', v_name)), c.names, c.names)
    FROM (SELECT pg_catalog.array_agg(a.attname) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = keep_former_table.former AND a.attnum > 0 AND NOT a.attisdropped) AS c (names);
    FOR v_column IN -- a sequence that it names could not go with the table that has it
        SELECT a.attname FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
        WHERE a.attrelid = pg_catalog.to_regclass(pg_catalog.format('dbperf.former_%I', v_name)) AND pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%'
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE dbperf.former_%I ALTER COLUMN %I DROP DEFAULT', v_name, v_column);
    END LOOP;
    FOR v_index IN
        SELECT n.relname AS made, coalesce(p.relname, o.relname) AS original
        FROM dbperf.like_indexes(keep_former_table.former, pg_catalog.to_regclass(pg_catalog.format('dbperf.former_%I', v_name))) AS x
        JOIN pg_catalog.pg_class AS o ON o.oid = x.index
        JOIN pg_catalog.pg_class AS n ON n.oid = x.other_index
        LEFT JOIN ( -- those that stand for each other have swapped their names
            SELECT i.shadow_index, c.relname
            FROM dbperf.rebuild AS b
            CROSS JOIN LATERAL dbperf.rebuild_indexes(b.target, b.source, b.target_columns, b.source_columns) AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.live_index
            WHERE b.target = keep_former_table.live AND b.source = keep_former_table.former
        ) AS p ON p.shadow_index = o.oid
        WHERE n.relname <> coalesce(p.relname, o.relname)
    LOOP
        EXECUTE pg_catalog.format('ALTER INDEX dbperf.%I RENAME TO %I', v_index.made, v_index.original);
    END LOOP;
    EXECUTE pg_catalog.format('COMMENT ON TABLE dbperf.former_%I IS %L', v_name, 'What the table was like before it was rebuilt, without rows: a rollback makes it again from here.');
END
$$;

COMMENT ON FUNCTION dbperf.keep_former_table(regclass, regclass) IS
    'Before the former trading table is dropped: keeps an empty one like it, its indexes by their names, as dbperf.former_<name>. Locks: ACCESS SHARE on it.';
