CREATE OR REPLACE FUNCTION dbperf.equality_operator(operator_class oid)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
        FROM pg_catalog.pg_opclass AS c
        JOIN pg_catalog.pg_amop AS m
            ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype -- 3: equal
        JOIN pg_catalog.pg_operator AS o ON o.oid = m.amopopr
        JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE c.oid = equality_operator.operator_class
    );
END
$$;

COMMENT ON FUNCTION dbperf.equality_operator(oid) IS
    'The operator by which a btree index with this operator class finds two values equal, as SQL. Locks: none.';
