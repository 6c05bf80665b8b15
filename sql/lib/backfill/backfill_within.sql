CREATE OR REPLACE FUNCTION dbperf.backfill_within(relation regclass, lower timestamp without time zone DEFAULT '-infinity', upper timestamp without time zone DEFAULT 'infinity')
RETURNS regclass
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_catalog.to_regclass('dbperf.backfill') IS NULL THEN -- an older state of the database
        RETURN NULL;
    END IF;
    RETURN (
        SELECT b.leaf FROM dbperf.backfill AS b
        JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf -- somebody may have dropped it
        WHERE b.relation = backfill_within.relation AND b.ended_at IS NULL AND b.lower < backfill_within.upper AND b.upper > backfill_within.lower
        ORDER BY b.lower LIMIT 1
    );
END
$$;

COMMENT ON FUNCTION dbperf.backfill_within(regclass, timestamp, timestamp) IS
    'The first table between two times that is being filled to become a partition; NULL if there is none. Locks: none.';
