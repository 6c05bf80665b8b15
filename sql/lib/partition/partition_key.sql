CREATE OR REPLACE FUNCTION dbperf.partition_key(relation regclass)
RETURNS TABLE (column_name name, type regtype, encoding text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT a.attname, a.atttypid::regtype,
               CASE a.atttypid
                   WHEN 'date'::regtype THEN 'date'
                   WHEN 'timestamp without time zone'::regtype THEN 'timestamp'
                   WHEN 'timestamp with time zone'::regtype THEN 'timestamptz'
                   WHEN 'uuid'::regtype THEN 'uuidv7'
                   WHEN 'bigint'::regtype THEN (SELECT p.encoding FROM dbperf.partition_policy AS p WHERE p.relation = partition_key.relation)
               END
        FROM pg_catalog.pg_partitioned_table AS t
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.partrelid AND a.attnum = (t.partattrs::smallint[])[0]
        WHERE t.partrelid = partition_key.relation AND t.partstrat = 'r' AND t.partnatts = 1;
END
$$;

COMMENT ON FUNCTION dbperf.partition_key(regclass) IS
    'Column by which the table is partitioned by range, its type, and how a value of it stands for a time; nothing if it is partitioned otherwise. Locks: none.';
