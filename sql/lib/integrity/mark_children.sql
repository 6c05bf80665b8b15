CREATE OR REPLACE FUNCTION dbperf.mark_children(target regclass)
RETURNS TABLE (marked regclass, rows bigint)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_batch CONSTANT bigint := dbperf.current_batch();
    v_key record;
    v_counts jsonb := '{}';
    v_rows bigint;
    v_any boolean := true;
BEGIN
    -- keys may form circles: until a whole pass marks nothing
    WHILE v_any LOOP
        v_any := false;
        FOR v_key IN SELECT k.key, k.name, k.child, k.parent FROM dbperf.referencing_tables(mark_children.target) AS k LOOP
            -- where there are no marks, check_cascade() refuses at the end if a row is in the way
            CONTINUE WHEN NOT (dbperf.has_soft_delete(v_key.parent) AND dbperf.has_soft_delete(v_key.child));
            EXECUTE pg_catalog.format(
                'UPDATE %1$s AS c SET deleted_at = pg_catalog.transaction_timestamp(), deleted_batch = $1 FROM %2$s AS p '
                'WHERE c.deleted_at IS NULL AND %3$s AND p.deleted_batch = $1 AND p.deleted_at = pg_catalog.transaction_timestamp()',
                v_key.child, v_key.parent, dbperf.key_match(v_key.key, 'c', 'p')
            ) USING v_batch;
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            CONTINUE WHEN v_rows = 0;
            v_any := true;
            v_counts := v_counts || pg_catalog.jsonb_build_object(
                v_key.child::oid::text, v_rows + coalesce((v_counts ->> v_key.child::oid::text)::bigint, 0)
            );
        END LOOP;
    END LOOP;
    RETURN QUERY SELECT c.key::oid::regclass, c.value::bigint FROM pg_catalog.jsonb_each_text(v_counts) AS c ORDER BY 1;
END
$$;

COMMENT ON FUNCTION dbperf.mark_children(regclass) IS
    'Marks live rows that reference rows marked by this transaction, at any depth below the table; returns table and number of rows. Locks: ROW EXCLUSIVE on the tables.';
