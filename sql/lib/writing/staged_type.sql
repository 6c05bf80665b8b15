CREATE OR REPLACE FUNCTION dbperf.staged_type(type oid, modifier integer)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        WITH RECURSIVE base AS (
            SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, staged_type.modifier AS modifier
            FROM pg_catalog.pg_type AS t WHERE t.oid = staged_type.type
            UNION ALL
            SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, b.typtypmod
            FROM base AS b JOIN pg_catalog.pg_type AS t ON t.oid = b.typbasetype AND b.typtype = 'd'
        )
        SELECT pg_catalog.format_type(b.oid, CASE WHEN i.typcategory IN ('D', 'T') THEN b.modifier ELSE -1 END)
        FROM base AS b
        JOIN pg_catalog.pg_type AS t ON t.oid = b.oid
        JOIN pg_catalog.pg_type AS i ON i.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
        WHERE b.typtype <> 'd'
    );
END
$$;

COMMENT ON FUNCTION dbperf.staged_type(oid, integer) IS
    'Type of a staging column: of a domain its base type, so that its checks come when the row is settled; without its modifier, but that of times and intervals, so that those which are one when they are rounded are one already. Locks: none.';
