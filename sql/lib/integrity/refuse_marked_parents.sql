CREATE OR REPLACE FUNCTION dbperf.refuse_marked_parents(relation regclass, condition text, batch bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key record;
    v_rows text;
    v_blocking bigint;
BEGIN
    FOR v_key IN
        SELECT k.key, k.name, k.child, k.parent FROM dbperf.outbound_keys(refuse_marked_parents.relation) AS k WHERE dbperf.has_soft_delete(k.parent)
    LOOP
        v_rows := pg_catalog.format(
            'EXISTS (SELECT FROM %s AS r WHERE %s AND %s)',
            -- of a partition, its own rows only: the condition may be a place in it
            CASE WHEN pg_catalog.pg_partition_root(refuse_marked_parents.relation) <> refuse_marked_parents.relation THEN refuse_marked_parents.relation ELSE v_key.child END,
            dbperf.key_match(v_key.key, 'r', 'p'), refuse_marked_parents.condition
        );
        -- nobody may be marking them; what was marked while we waited, only a new look sees
        EXECUTE pg_catalog.format('SELECT FROM %s AS p WHERE %s FOR SHARE OF p', v_key.parent, v_rows);
        EXECUTE pg_catalog.format(
            'SELECT coalesce(p.deleted_batch, 0) FROM %s AS p WHERE p.deleted_at IS NOT NULL AND p.deleted_batch IS DISTINCT FROM $1 AND %s LIMIT 1',
            v_key.parent, v_rows
        ) INTO v_blocking USING refuse_marked_parents.batch;
        IF v_blocking IS NOT NULL THEN -- EXECUTE does not set FOUND
            RAISE EXCEPTION 'rows of % would come back below deleted rows of %', refuse_marked_parents.relation, v_key.parent
                USING ERRCODE = 'foreign_key_violation',
                      DETAIL = pg_catalog.format('Foreign key %I; the referenced rows were deleted in batch %s.', v_key.name, v_blocking),
                      HINT = pg_catalog.format('SELECT * FROM dbperf.undelete(%s) first. Nothing was changed.', v_blocking);
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_marked_parents(regclass, text, bigint) IS
    'Raises 23503 if marked rows (the table is called r in the condition) reference rows that another batch than the given one deleted. Locks: ROW SHARE on the referenced tables, FOR SHARE on the referenced rows.';
