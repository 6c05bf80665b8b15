CREATE OR REPLACE FUNCTION dbperf.partition_name(relation regclass, lower timestamp without time zone, upper timestamp without time zone, is_history boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_every interval;
    v_outside boolean;
    v_label text;
    v_name text;
BEGIN
    SELECT p.every, partition_name.upper <= dbperf.utc_now() - p.max_behind OR partition_name.lower > dbperf.utc_now() + p.max_ahead
    INTO v_every, v_outside
    FROM dbperf.partition_policy AS p WHERE p.relation = partition_name.relation;

    -- history that goes on to where the others are is no stray row's
    v_outside := v_outside AND NOT partition_name.is_history AND NOT EXISTS (
        SELECT FROM dbperf.partition_bounds(partition_name.relation) AS b
        JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf AND c.relname NOT LIKE '%\_outside\_%'
        WHERE NOT b.is_default AND b.lower < partition_name.upper + 12 * v_every AND b.upper > partition_name.lower - 12 * v_every
    );
    v_label := CASE WHEN v_outside THEN 'outside_' ELSE 'p' END || pg_catalog.to_char(partition_name.lower, CASE
        WHEN (partition_name.lower, partition_name.upper) IS DISTINCT FROM (dbperf.partition_floor(v_every, partition_name.lower), partition_name.lower + v_every)
            THEN 'YYYY_MM_DD_HH24MISS'
        WHEN v_every < '1 day' THEN 'YYYY_MM_DD_HH24'
        WHEN extract(day FROM v_every) > 0 THEN 'YYYY_MM_DD'
        WHEN extract(year FROM v_every) > 0 THEN 'YYYY'
        WHEN extract(month FROM v_every) = 3 THEN 'YYYY"q"Q'
        ELSE 'YYYY_MM'
    END);
    SELECT pg_catalog.format('%I.%I', n.nspname, f.name) INTO v_name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        -- two tables whose names begin alike must not meet in one
        SELECT CASE WHEN pg_catalog.octet_length(c.relname) <= 58 - pg_catalog.length(v_label) THEN c.relname ELSE dbperf.cut_name(c.relname, 47 - pg_catalog.length(v_label)) || '_' || c.oid END
               || '_' || v_label || coalesce('_' || nullif(i, 1), '') AS name
        FROM pg_catalog.generate_series(1, 1000) AS i
    ) AS f
    WHERE c.oid = partition_name.relation
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS x WHERE x.relnamespace = n.oid AND x.relname = f.name)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS y WHERE y.typnamespace = n.oid AND y.typname = f.name)
    LIMIT 1;
    RETURN v_name;
END
$$;

COMMENT ON FUNCTION dbperf.partition_name(regclass, timestamp, timestamp, boolean) IS
    'Name for a new partition, quoted and qualified: the table''s with the beginning of its range; with outside_ if the policy would not make it, no other is within twelve intervals, and nobody says that it is history. Locks: none.';
