CREATE OR REPLACE FUNCTION dbperf.make_former_table(live regclass, target text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_former text;
    v_statement text;
BEGIN
    SELECT pg_catalog.format('dbperf.former_%I', t.name) INTO v_former FROM dbperf.trading_table AS t WHERE t.relation = make_former_table.live;
    EXECUTE pg_catalog.format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', make_former_table.target, v_former);
    PERFORM dbperf.rebuild_furnish(v_former::regclass, make_former_table.target::regclass, c.names, c.names)
    FROM (SELECT pg_catalog.array_agg(a.attname) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = v_former::regclass AND a.attnum > 0 AND NOT a.attisdropped) AS c (names);
    FOR v_statement IN
        SELECT pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', make_former_table.target, k.conname, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''))
        FROM pg_catalog.pg_constraint AS k
        WHERE k.conrelid = make_former_table.live AND k.contype = 'f' AND k.conparentid = 0
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY', make_former_table.target, a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END)
        FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = make_former_table.live AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> ''
    LOOP
        EXECUTE v_statement;
    END LOOP;
    PERFORM dbperf.mark_target(make_former_table.target::regclass);
END
$$;

COMMENT ON FUNCTION dbperf.make_former_table(regclass, text) IS
    'Makes the empty table that a trading table becomes again when its finalized rebuild is rolled back. Locks: SHARE ROW EXCLUSIVE on the tables that it references.';
