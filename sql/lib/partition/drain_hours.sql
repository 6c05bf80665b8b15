CREATE OR REPLACE FUNCTION dbperf.drain_hours(relation regclass, part regclass)
RETURNS TABLE (hour timestamp without time zone, rows bigint)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET timezone = 'UTC'
AS $$
DECLARE
    v_key record;
    v_column text;
    v_unit bigint; -- of an hour
    v_hour text; -- built in: it runs for every row
BEGIN
    SELECT k.* INTO v_key FROM dbperf.partition_key(drain_hours.relation) AS k;
    v_column := 'd.' || pg_catalog.quote_ident(v_key.column_name);
    v_unit := CASE v_key.encoding WHEN 's' THEN 3600 WHEN 'ms' THEN 3600000 WHEN 'us' THEN 3600000000 WHEN 'ns' THEN 3600000000000 END;
    v_hour := CASE v_key.encoding
        WHEN 'date' THEN v_column || '::timestamp'
        WHEN 'timestamp' THEN 'pg_catalog.date_trunc(''hour'', ' || v_column || ')'
        WHEN 'timestamptz' THEN 'pg_catalog.date_trunc(''hour'', ' || v_column || ') AT TIME ZONE ''UTC'''
        WHEN 'uuidv7' THEN
            '(''x'' || pg_catalog.lpad(pg_catalog.left(pg_catalog.replace(' || v_column || '::text, ''-'', ''''), 12), 16, ''0''))::bit(64)::bigint / 3600000'
        ELSE v_column || ' / ' || v_unit || ' - (' || v_column || ' % ' || v_unit || ' < 0)::integer' -- rounds down
    END;
    v_hour := 'SELECT ' || v_hour || ' AS hour, pg_catalog.count(*) AS rows FROM ' || drain_hours.part || ' AS d GROUP BY 1';
    IF v_unit IS NOT NULL OR v_key.encoding = 'uuidv7' THEN -- what no timestamp holds: its years end in 294276
        v_hour := 'SELECT CASE WHEN h.hour > 2500000000 THEN ''infinity'' WHEN h.hour < -17000000 THEN ''-infinity'' '
                  'ELSE timestamp ''1970-01-01'' + h.hour * interval ''1 hour'' END, h.rows FROM (' || v_hour || ') AS h';
    END IF;
    RETURN QUERY EXECUTE v_hour;
END
$$;

COMMENT ON FUNCTION dbperf.drain_hours(regclass, regclass) IS
    'Hours (UTC) for which the DEFAULT partition has rows, and how many; NULL for keys that are NULL, infinite for those that no timestamp holds. Reads all of it. Locks: ACCESS SHARE on the partition.';
