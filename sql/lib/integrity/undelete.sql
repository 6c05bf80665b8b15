CREATE OR REPLACE FUNCTION dbperf.undelete(batch bigint)
RETURNS TABLE (relation regclass, rows bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_tables regclass[];
    v_deleted_at timestamp with time zone;
    v_condition text;
    v_table regclass;
BEGIN
    SELECT pg_catalog.array_agg(DISTINCT d.relation), pg_catalog.min(d.deleted_at) INTO v_tables, v_deleted_at
    FROM dbperf.deletion AS d
    JOIN pg_catalog.pg_class AS c ON c.oid = d.relation -- one that was dropped has nothing to bring back
    WHERE d.batch = undelete.batch AND dbperf.has_soft_delete(d.relation);
    IF v_tables IS NULL THEN
        RAISE EXCEPTION 'there is no batch % to bring back', coalesce(undelete.batch::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'dbperf.deletion lists the batches.';
    END IF;

    v_condition := pg_catalog.format('r.deleted_at = %L::pg_catalog.timestamptz AND r.deleted_batch = %s', v_deleted_at, undelete.batch);
    FOREACH v_table IN ARRAY v_tables LOOP -- nobody may give them another parent between the look and the act
        EXECUTE pg_catalog.format('SELECT FROM %s AS r WHERE %s FOR UPDATE', v_table, v_condition);
    END LOOP;
    FOREACH v_table IN ARRAY v_tables LOOP
        PERFORM dbperf.refuse_marked_parents(v_table, v_condition, undelete.batch);
    END LOOP;
    FOREACH v_table IN ARRAY v_tables LOOP
        relation := v_table;
        rows := dbperf.clear_marks(v_table, v_condition);
        RETURN NEXT;
    END LOOP;
    UPDATE dbperf.deletion AS d
    SET undeleted_at = pg_catalog.transaction_timestamp(), undeleted_by = SESSION_USER
    WHERE d.batch = undelete.batch;
END
$$;

COMMENT ON FUNCTION dbperf.undelete(bigint) IS
    'Brings back exactly the rows that the batch removed, in every table, and returns how many of each. Raises 23503, naming the batch, if rows that they reference are deleted. Rows purged meanwhile are gone. Locks: ROW EXCLUSIVE on the tables, FOR UPDATE on the rows, FOR SHARE on those they reference.';

REVOKE EXECUTE ON FUNCTION dbperf.undelete(bigint) FROM PUBLIC;
