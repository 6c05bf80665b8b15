CREATE OR REPLACE FUNCTION dbperf.partition_value(encoding text, at timestamp without time zone)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- exact: epochs of doubles would not be
    v_microseconds CONSTANT numeric := extract(epoch FROM partition_value.at) * 1000000;
    v_hex text;
BEGIN
    CASE partition_value.encoding
        WHEN 'date' THEN RETURN pg_catalog.to_char(partition_value.at, 'YYYY-MM-DD');
        WHEN 'timestamp' THEN RETURN pg_catalog.to_char(partition_value.at, 'YYYY-MM-DD HH24:MI:SS.US');
        WHEN 'timestamptz' THEN RETURN pg_catalog.to_char(partition_value.at, 'YYYY-MM-DD HH24:MI:SS.US') || '+00';
        WHEN 's' THEN RETURN (v_microseconds / 1000000)::bigint;
        WHEN 'ms' THEN RETURN (v_microseconds / 1000)::bigint;
        WHEN 'us' THEN RETURN v_microseconds::bigint;
        WHEN 'ns' THEN RETURN (v_microseconds * 1000)::bigint;
        ELSE -- uuidv7: 48 bits of milliseconds since 1970 come first
            v_hex := pg_catalog.lpad(pg_catalog.to_hex(greatest((v_microseconds / 1000)::bigint, 0)), 12, '0');
            RETURN pg_catalog.format('%s-%s-0000-0000-000000000000', pg_catalog.left(v_hex, 8), pg_catalog.right(v_hex, 4));
    END CASE;
END
$$;

COMMENT ON FUNCTION dbperf.partition_value(text, timestamp) IS
    'The time (UTC) as a partition key of this encoding has it: date, timestamp, timestamptz, s, ms, us, ns since 1970, or uuidv7. Locks: none.';
