CREATE OR REPLACE FUNCTION dbperf.close_partition(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET lock_timeout = '50ms'
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    v_key name;
    v_encoding text;
    v_id name;
BEGIN
    SELECT k.column_name, k.encoding INTO v_key, v_encoding FROM dbperf.partition_key(close_partition.relation) AS k;
    SELECT p.id_column INTO v_id FROM dbperf.partition_policy AS p WHERE p.relation = close_partition.relation;
    EXECUTE pg_catalog.format(
        'INSERT INTO dbperf.closed_partition (leaf, relation, rows, first_at, last_at, first_id, last_id) SELECT $1, $2, '
        '(SELECT pg_catalog.count(*) FROM %1$s), '
        'dbperf.partition_time($3, (SELECT l.%2$I::text FROM %1$s AS l ORDER BY l.%2$I LIMIT 1)), '
        'dbperf.partition_time($3, (SELECT l.%2$I::text FROM %1$s AS l ORDER BY l.%2$I DESC LIMIT 1)), '
        '%3$s, %4$s ON CONFLICT ON CONSTRAINT closed_partition_pkey DO NOTHING',
        close_partition.leaf, v_key,
        CASE WHEN v_id IS NULL THEN 'NULL' ELSE pg_catalog.format('(SELECT pg_catalog.min(l.%I) FROM %s AS l)', v_id, close_partition.leaf) END,
        CASE WHEN v_id IS NULL THEN 'NULL' ELSE pg_catalog.format('(SELECT pg_catalog.max(l.%I) FROM %s AS l)', v_id, close_partition.leaf) END
    ) USING close_partition.leaf, close_partition.relation, v_encoding;
END
$$;

COMMENT ON FUNCTION dbperf.close_partition(regclass, regclass) IS
    'Records what a partition holds whose time is past: rows, first and last time, first and last id. Reads all of it. Locks: ACCESS SHARE on the partition.';
