CREATE OR REPLACE FUNCTION dbperf.referencing_tables_of(schema_name name)
RETURNS regclass[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_schema CONSTANT oid := pg_catalog.to_regnamespace(pg_catalog.quote_ident(referencing_tables_of.schema_name));
BEGIN
    IF v_schema IS NULL THEN
        RAISE EXCEPTION 'there is no schema %', coalesce(pg_catalog.quote_ident(referencing_tables_of.schema_name), 'NULL')
            USING ERRCODE = 'invalid_schema_name', HINT = 'Name the schema of the referencing tables.';
    END IF;
    RETURN ARRAY(
        SELECT c.oid::regclass
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = v_schema AND c.relkind IN ('r', 'p')
          -- a partition goes with its root, unless that is elsewhere
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS p WHERE p.oid = pg_catalog.pg_partition_root(c.oid) AND p.oid <> c.oid AND p.relnamespace = v_schema)
          AND EXISTS (SELECT FROM dbperf.outbound_keys(c.oid) AS k)
        ORDER BY c.oid
    );
END
$$;

COMMENT ON FUNCTION dbperf.referencing_tables_of(name) IS
    'Tables of the schema that have foreign keys; of partitioned ones the roots. Raises 3F000 if there is no such schema. Locks: ACCESS SHARE on partitions.';
