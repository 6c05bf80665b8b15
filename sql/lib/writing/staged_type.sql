CREATE OR REPLACE FUNCTION dbperf.staged_type(type oid)
RETURNS oid
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        WITH RECURSIVE base AS (
            SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type AS t WHERE t.oid = staged_type.type
            UNION ALL
            SELECT t.oid, t.typtype, t.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype AND b.typtype = 'd'
        )
        SELECT b.oid FROM base AS b WHERE b.typtype <> 'd'
    );
END
$$;

COMMENT ON FUNCTION dbperf.staged_type(oid) IS
    'Type of a staging column: of a domain its base type, so that its checks come when the row is settled. Locks: none.';
