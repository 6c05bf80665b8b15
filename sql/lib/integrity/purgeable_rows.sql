CREATE OR REPLACE FUNCTION dbperf.purgeable_rows(relation regclass, cutoff timestamp with time zone)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE pg_catalog.format('SELECT count(*) FROM %s AS r WHERE %s', purgeable_rows.relation, dbperf.purgeable(purgeable_rows.relation))
    INTO v_rows USING purgeable_rows.cutoff;
    RETURN v_rows;
END
$$;

COMMENT ON FUNCTION dbperf.purgeable_rows(regclass, timestamp with time zone) IS
    'How many rows a purge with this cutoff would erase at first; rows that only those reference are not counted yet. Locks: ACCESS SHARE on the table and those that reference it.';

REVOKE EXECUTE ON FUNCTION dbperf.purgeable_rows(regclass, timestamp with time zone) FROM PUBLIC;
