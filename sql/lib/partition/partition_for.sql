CREATE OR REPLACE FUNCTION dbperf.partition_for(relation regclass, at timestamp with time zone)
RETURNS regclass
LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER -- writers may not read the policy
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT b.leaf FROM dbperf.partition_bounds(partition_for.relation) AS b
        WHERE b.lower <= partition_for.at AT TIME ZONE 'UTC' AND partition_for.at AT TIME ZONE 'UTC' < b.upper
    );
END
$$;

COMMENT ON FUNCTION dbperf.partition_for(regclass, timestamp with time zone) IS
    'The partition for a row of this time; NULL if there is none but a DEFAULT partition. Locks: none.';

REVOKE EXECUTE ON FUNCTION dbperf.partition_for(regclass, timestamp with time zone) FROM PUBLIC;
