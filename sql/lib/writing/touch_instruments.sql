CREATE OR REPLACE FUNCTION dbperf.touch_instruments(relation regclass, ids bigint[], since timestamp without time zone, until timestamp without time zone)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    v_key record;
    v_rows bigint;
BEGIN
    SELECT k.confrelid::regclass AS instruments, p.attname AS id,
           (SELECT CASE WHEN t.atttypid = 'timestamptz'::regtype THEN ' AT TIME ZONE ''UTC''' ELSE '' END
            FROM pg_catalog.pg_attribute AS t WHERE t.attrelid = k.conrelid AND t.attname = 'timestamp') AS zone,
           CASE WHEN dbperf.has_soft_delete(k.conrelid) THEN ' AND t.deleted_at IS NULL' ELSE '' END AS alive
    INTO v_key
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = k.conrelid AND c.attname = 'instrument_id'
    JOIN pg_catalog.pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = k.confkey[1]
    WHERE k.conrelid = touch_instruments.relation AND k.contype = 'f' AND k.conkey = ARRAY[c.attnum]
    LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no foreign key on instrument_id', touch_instruments.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Only ticks can touch their instruments.';
    END IF;

    -- what the table has now is the truth, whatever became of the batch's rows
    EXECUTE pg_catalog.format(
        'UPDATE %1$s AS i SET last_tick = n.at, last_price = n.price FROM ('
        'SELECT x.%2$I AS id, l."timestamp"%3$s AS at, l.price FROM %1$s AS x CROSS JOIN LATERAL ('
        'SELECT t."timestamp", t.price FROM %5$s AS t WHERE t.instrument_id = x.%2$I AND t."timestamp" BETWEEN $2%3$s AND $3%3$s AND t.price IS NOT NULL%4$s '
        'ORDER BY t."timestamp" DESC, t.price LIMIT 1) AS l '
        'WHERE x.%2$I = ANY ($1) ORDER BY x.%2$I FOR NO KEY UPDATE OF x) AS n '
        'WHERE i.%2$I = n.id AND (i.last_tick IS NULL OR i.last_tick < n.at)',
        v_key.instruments, v_key.id, v_key.zone, v_key.alive, touch_instruments.relation
    ) USING touch_instruments.ids, touch_instruments.since, touch_instruments.until;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows;
END
$$;

COMMENT ON FUNCTION dbperf.touch_instruments(regclass, bigint[], timestamp, timestamp) IS
    'Sets last_tick and last_price of these instruments to their newest tick of the table between two times (UTC), where it is newer; returns how many changed. One statement, in the order of the ids. Locks: ROW EXCLUSIVE on the instruments, FOR NO KEY UPDATE on these.';
