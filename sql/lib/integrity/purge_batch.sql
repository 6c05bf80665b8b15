CREATE OR REPLACE FUNCTION dbperf.purge_batch(relation regclass, cutoff timestamp with time zone, batch_size integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_condition CONSTANT text := dbperf.purgeable(purge_batch.relation);
    v_root CONSTANT regclass := coalesce(pg_catalog.pg_partition_root(purge_batch.relation), purge_batch.relation);
    v_leaf regclass;
    v_rows bigint;
    v_purged bigint := 0;
BEGIN
    IF purge_batch.cutoff > pg_catalog.statement_timestamp() OR purge_batch.batch_size < 1 THEN
        RAISE EXCEPTION 'nothing is purged before it was deleted, nor in batches of %', purge_batch.batch_size
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a cutoff in the past and a positive batch size.';
    END IF;

    -- its DELETE runs the table's triggers with the rights of dbperf's owner: not those of anybody's table
    IF NOT EXISTS (SELECT FROM dbperf.soft_delete_table AS t WHERE t.relation = v_root) THEN
        RAISE EXCEPTION '% has no soft delete', purge_batch.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'dbperf.soft_delete_table lists the tables that have it.';
    END IF;

    FOR v_leaf IN
        SELECT t.relation FROM dbperf.table_tree(purge_batch.relation) AS t (relation)
        JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
        WHERE c.relkind = 'r'
        ORDER BY t.relation
    LOOP
        -- the triggers believe this row and nothing else; it goes before the function returns, or a
        -- later DELETE of the same transaction would erase too
        INSERT INTO dbperf.delete_ticket (xid, relation, purpose, cutoff)
        VALUES (pg_catalog.pg_current_xact_id(), v_leaf, 'remove', purge_batch.cutoff);
        EXECUTE pg_catalog.format(
            'DELETE FROM ONLY %1$s AS d WHERE d.deleted_at < $1 AND d.ctid = ANY (ARRAY('
            'SELECT r.ctid FROM ONLY %1$s AS r WHERE %2$s LIMIT $2 FOR UPDATE OF r SKIP LOCKED))',
            v_leaf, v_condition
        ) USING purge_batch.cutoff, purge_batch.batch_size - v_purged;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        DELETE FROM dbperf.delete_ticket AS t
        WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = v_leaf AND t.purpose = 'remove';
        v_purged := v_purged + v_rows;
        EXIT WHEN v_purged >= purge_batch.batch_size;
    END LOOP;

    IF v_purged > 0 THEN
        INSERT INTO dbperf.purge_log (relation, cutoff, rows) VALUES (purge_batch.relation, purge_batch.cutoff, v_purged);
    END IF;
    RETURN v_purged;
END
$$;

COMMENT ON FUNCTION dbperf.purge_batch(regclass, timestamp with time zone, integer) IS
    'Erases at most batch_size rows that were marked before the cutoff and that no row references; returns how many. EXECUTE on it is the right to purge: GRANT it to nobody but the role that does. Locks: ROW EXCLUSIVE on the table.';

REVOKE EXECUTE ON FUNCTION dbperf.purge_batch(regclass, timestamp with time zone, integer) FROM PUBLIC;
