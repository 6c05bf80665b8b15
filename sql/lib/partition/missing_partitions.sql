CREATE OR REPLACE FUNCTION dbperf.missing_partitions(relation regclass, times timestamp without time zone[])
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_every CONSTANT interval := (SELECT p.every FROM dbperf.partition_policy AS p WHERE p.relation = missing_partitions.relation);
BEGIN
    RETURN QUERY
        SELECT pg_catalog.format('SELECT dbperf.create_partition(%L, %L, %L)', missing_partitions.relation, m.lower, m.upper)
        FROM (
            SELECT DISTINCT g.lower, g.upper
            FROM (SELECT DISTINCT dbperf.partition_floor(v_every, u.at) AS floor FROM pg_catalog.unnest(missing_partitions.times) AS u (at) WHERE v_every IS NOT NULL AND pg_catalog.isfinite(u.at)) AS f
            CROSS JOIN LATERAL dbperf.partition_gaps(missing_partitions.relation, v_every, f.floor, f.floor + interval '1 microsecond') AS g
            WHERE EXISTS (SELECT FROM pg_catalog.unnest(missing_partitions.times) AS u (at) WHERE u.at >= g.lower AND u.at < g.upper)
        ) AS m
        ORDER BY m.lower DESC; -- what goes on to where the others are is named like them
END
$$;

COMMENT ON FUNCTION dbperf.missing_partitions(regclass, timestamp[]) IS
    'Statements that make the partitions which rows of these times (UTC) need, whatever the policy''s bounds are: one for each of its intervals that has any; each for a transaction of its own, the newest first. None without a policy. Locks: none; the statements say theirs.';
