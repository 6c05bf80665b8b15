CREATE OR REPLACE FUNCTION dbperf.target_name(relation regclass)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
        FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = target_name.relation
    );
END
$$;

COMMENT ON FUNCTION dbperf.target_name(regclass) IS 'Name of a table as the ledger and the quarantine have it: schema first, whatever search_path says. Locks: none.';
