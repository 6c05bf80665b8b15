CREATE OR REPLACE FUNCTION dbperf.partition_floor(every interval, at timestamp without time zone)
RETURNS timestamp without time zone
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_months CONSTANT integer := extract(year FROM partition_floor.every) * 12 + extract(month FROM partition_floor.every);
    v_month CONSTANT timestamp without time zone := pg_catalog.date_trunc('month', partition_floor.at);
BEGIN
    IF v_months = 0 THEN -- 2000-01-03 was a Monday: weeks begin there, days and hours at midnight
        RETURN pg_catalog.date_bin(partition_floor.every, partition_floor.at, timestamp '2000-01-03');
    END IF;
    RETURN v_month - pg_catalog.make_interval(months => (extract(month FROM v_month)::integer - 1) % v_months);
END
$$;

COMMENT ON FUNCTION dbperf.partition_floor(interval, timestamp) IS
    'Where the interval that contains the time begins: months and quarters with the year, weeks on Monday, days and hours at midnight. Locks: none.';
