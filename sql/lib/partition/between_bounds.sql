CREATE OR REPLACE FUNCTION dbperf.between_bounds(column_name name, type text, lower text, upper text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE
        WHEN between_bounds.lower IS NULL AND between_bounds.upper IS NULL THEN pg_catalog.format('r.%I IS NOT NULL', between_bounds.column_name)
        WHEN between_bounds.lower IS NULL THEN pg_catalog.format('r.%I < %L::%s', between_bounds.column_name, between_bounds.upper, between_bounds.type)
        WHEN between_bounds.upper IS NULL THEN pg_catalog.format('r.%I >= %L::%s', between_bounds.column_name, between_bounds.lower, between_bounds.type)
        ELSE pg_catalog.format(
            'r.%1$I >= %2$L::%4$s AND r.%1$I < %3$L::%4$s',
            between_bounds.column_name, between_bounds.lower, between_bounds.upper, between_bounds.type
        )
    END;
END
$$;

COMMENT ON FUNCTION dbperf.between_bounds(name, text, text, text) IS
    'A condition on a column of r: between two literals, the lower one inclusive, NULL where it is open; no value at all is outside. Locks: none.';
