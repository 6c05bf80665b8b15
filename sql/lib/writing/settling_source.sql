CREATE OR REPLACE FUNCTION dbperf.settling_source(relation regclass, staging regclass)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.string_agg(
            CASE WHEN s.atttypid = 'text'::regtype AND a.atttypid <> s.atttypid AND dbperf.staged_type(a.atttypid) = s.atttypid AND t.typtype IN ('d', 'e')
                 THEN pg_catalog.format('%1$I::%2$s AS %1$I', s.attname, pg_catalog.format_type(a.atttypid, NULL))
                 ELSE pg_catalog.quote_ident(s.attname) END,
            ', ' ORDER BY s.attnum
        )
        FROM pg_catalog.pg_attribute AS s
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = settling_source.relation AND a.attname = s.attname AND a.attnum > 0
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE s.attrelid = settling_source.staging AND s.attnum > 0 AND NOT s.attisdropped
    );
END
$$;

COMMENT ON FUNCTION dbperf.settling_source(regclass, regclass) IS
    'The columns of a staging table as an INSERT into the table takes them: text of an enum needs a cast, all others are assigned. Locks: none.';
