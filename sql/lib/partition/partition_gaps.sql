CREATE OR REPLACE FUNCTION dbperf.partition_gaps(relation regclass, every interval, start timestamp without time zone, stop timestamp without time zone)
RETURNS TABLE (lower timestamp without time zone, upper timestamp without time zone)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_covered tsmultirange;
    v_lower timestamp without time zone := dbperf.partition_floor(partition_gaps.every, partition_gaps.start);
BEGIN
    SELECT coalesce(pg_catalog.range_agg(pg_catalog.tsrange(b.lower, b.upper)), '{}') INTO v_covered
    FROM dbperf.partition_bounds(partition_gaps.relation) AS b WHERE NOT b.is_default;
    WHILE v_lower < partition_gaps.stop LOOP
        RETURN QUERY -- what is left of the interval between neighbours of other sizes
            SELECT pg_catalog.lower(r), pg_catalog.upper(r)
            FROM pg_catalog.unnest(pg_catalog.tsmultirange(pg_catalog.tsrange(v_lower, v_lower + partition_gaps.every)) - v_covered) AS r;
        v_lower := v_lower + partition_gaps.every;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.partition_gaps(regclass, interval, timestamp, timestamp) IS
    'Intervals of this length, from the one that contains start to the one before stop, for which there is no partition, cut to fit between those that are there. Locks: none.';
