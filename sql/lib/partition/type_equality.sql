CREATE OR REPLACE FUNCTION dbperf.type_equality(type oid)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning takes longer than all the rest
AS $$
BEGIN
    IF type_equality.type < 16384 THEN -- not the type of an extension, whose operators may be in any schema
        RETURN '=';
    END IF;
    RETURN coalesce((
        SELECT dbperf.equality_operator(o.oid)
        FROM pg_catalog.pg_opclass AS o
        JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod AND m.amname = 'btree'
        WHERE o.opcintype = type_equality.type AND o.opcdefault
    ), '=');
END
$$;

COMMENT ON FUNCTION dbperf.type_equality(oid) IS
    'The operator by which two values of the type are equal, as SQL: that of its default order. Locks: none.';
