CREATE OR REPLACE FUNCTION dbperf.partition_time(encoding text, value text)
RETURNS timestamp without time zone
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    v_microseconds numeric;
BEGIN
    CASE partition_time.encoding
        WHEN 'date' THEN RETURN CASE WHEN partition_time.value::date > date '294276-12-31' THEN 'infinity' ELSE partition_time.value::date::timestamp without time zone END;
        WHEN 'timestamp' THEN RETURN partition_time.value::timestamp without time zone;
        WHEN 'timestamptz' THEN RETURN partition_time.value::timestamp with time zone AT TIME ZONE 'UTC';
        WHEN 's' THEN v_microseconds := partition_time.value::numeric * 1000000;
        WHEN 'ms' THEN v_microseconds := partition_time.value::numeric * 1000;
        WHEN 'us' THEN v_microseconds := partition_time.value::numeric;
        WHEN 'ns' THEN v_microseconds := pg_catalog.floor(partition_time.value::numeric / 1000);
        ELSE
            v_microseconds := ('x' || pg_catalog.lpad(pg_catalog.left(pg_catalog.replace(partition_time.value, '-', ''), 12), 16, '0'))::bit(64)::bigint * 1000::numeric;
    END CASE;
    RETURN CASE -- what no timestamp holds: its years end in 294276
        WHEN v_microseconds > 9e18 THEN 'infinity'
        WHEN v_microseconds < -2e17 THEN '-infinity'
        ELSE timestamp '1970-01-01'
             + pg_catalog.make_interval(days => pg_catalog.div(v_microseconds, 86400000000)::integer)
             + pg_catalog.make_interval(secs => (v_microseconds % 86400000000) / 1000000)
    END;
END
$$;

COMMENT ON FUNCTION dbperf.partition_time(text, text) IS
    'The time (UTC) that a partition key of this encoding stands for; infinity where no timestamp holds it. Locks: none.';
