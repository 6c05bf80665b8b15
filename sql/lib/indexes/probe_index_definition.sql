CREATE OR REPLACE FUNCTION dbperf.probe_index_definition(relation regclass, definition text)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET temp_tablespaces = ''
AS $$
DECLARE
    v_parts CONSTANT text[] := pg_catalog.regexp_match(probe_index_definition.definition, '^\s*(UNIQUE\M)?\s*(?:USING\s+)?(\w+)?\s*(\(.*)$', 'i');
    v_found text;
    v_tablespace oid;
BEGIN
    IF v_parts IS NULL THEN
        RAISE EXCEPTION '% is no definition of an index', pg_catalog.quote_literal(probe_index_definition.definition)
            USING ERRCODE = 'syntax_error', HINT = 'Write what follows ON table in CREATE INDEX: btree (instrument_id, at), or UNIQUE btree (id, at).';
    END IF;
    BEGIN -- only the server can tell how it will write this: on an empty copy, which is taken back
        EXECUTE pg_catalog.format('CREATE TEMPORARY TABLE dbperf_probe (LIKE %s)', probe_index_definition.relation);
        EXECUTE pg_catalog.format('CREATE %s INDEX dbperf_probe_index ON pg_temp.dbperf_probe USING %s %s', v_parts[1], coalesce(v_parts[2], 'btree'), v_parts[3]);
        SELECT dbperf.index_definition(c.oid), c.reltablespace INTO v_found, v_tablespace FROM pg_catalog.pg_class AS c WHERE c.oid = 'pg_temp.dbperf_probe_index'::regclass;
        RAISE EXCEPTION 'taken back' USING ERRCODE = 'DP000';
    EXCEPTION WHEN SQLSTATE 'DP000' THEN
        IF v_tablespace <> 0 THEN
            RAISE EXCEPTION 'TABLESPACE is not part of an index''s definition here'
                USING ERRCODE = 'feature_not_supported', HINT = 'Leave it out, and ALTER INDEX ... SET TABLESPACE afterwards.';
        END IF;
    END;
    RETURN v_found;
END
$$;

COMMENT ON FUNCTION dbperf.probe_index_definition(regclass, text) IS
    'The definition of an index on this table as dbperf.index_definition() would show it. Locks: ACCESS SHARE on the table.';
