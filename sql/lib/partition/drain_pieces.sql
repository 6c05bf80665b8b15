CREATE OR REPLACE FUNCTION dbperf.drain_pieces(relation regclass, part regclass)
RETURNS TABLE (lower timestamp without time zone, upper timestamp without time zone, gap tsrange, rows bigint)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_every CONSTANT interval := (SELECT p.every FROM dbperf.partition_policy AS p WHERE p.relation = drain_pieces.relation);
    v_free tsmultirange;
    v_hours timestamp without time zone[];
    v_counts bigint[];
    v_lost bigint;
BEGIN
    SELECT tsmultirange(tsrange('-infinity', 'infinity')) - coalesce(pg_catalog.range_agg(tsrange(b.lower, b.upper)), '{}') INTO v_free
    FROM dbperf.partition_bounds(drain_pieces.relation) AS b WHERE NOT b.is_default;
    SELECT pg_catalog.array_agg(h.hour), pg_catalog.array_agg(h.rows),
           pg_catalog.sum(h.rows) FILTER (WHERE h.hour IS NULL OR h.hour < '0001-01-01' OR h.hour = 'infinity')
    INTO v_hours, v_counts, v_lost
    FROM dbperf.drain_hours(drain_pieces.relation, drain_pieces.part) AS h;
    IF v_lost > 0 THEN
        RAISE EXCEPTION '% rows of % have a key that is NULL or no time: they can be nowhere else than in a DEFAULT partition', v_lost, drain_pieces.part
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Give them a time or delete them, then call this again; infinite times and those before the year 1 have no partition either.';
    END IF;
    RETURN QUERY
        SELECT pg_catalog.lower(r), pg_catalog.upper(r), g.gap, i.rows
        FROM (
            SELECT f.lower, pg_catalog.range_agg(tsrange(h.hour, h.hour + interval '1 hour')) AS hours, pg_catalog.sum(h.rows)::bigint AS rows
            FROM ROWS FROM (pg_catalog.unnest(v_hours), pg_catalog.unnest(v_counts)) AS h (hour, rows)
            CROSS JOIN LATERAL (SELECT dbperf.partition_floor(v_every, h.hour) AS lower) AS f
            GROUP BY f.lower
        ) AS i
        CROSS JOIN LATERAL pg_catalog.unnest(v_free * tsmultirange(tsrange(i.lower, i.lower + v_every))) AS r
        JOIN pg_catalog.unnest(v_free) AS g (gap) ON g.gap @> r
        WHERE i.hours && r
        ORDER BY 1;
END
$$;

COMMENT ON FUNCTION dbperf.drain_pieces(regclass, regclass) IS
    'Intervals for which the DEFAULT partition may have rows, cut to fit between the partitions that are there, and the gap between those in which each lies. Raises 55000 for rows that no partition could take. Reads all of it. Locks: ACCESS SHARE on the partition.';
