CREATE OR REPLACE FUNCTION dbperf.mark_rows(target regclass, predicate text, reason text, "cascade" boolean)
RETURNS TABLE (batch bigint, marked regclass, rows bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_reason_before CONSTANT text := coalesce(pg_catalog.current_setting('dbperf.reason', true), '');
    v_cascade_before CONSTANT text := coalesce(pg_catalog.current_setting('dbperf.cascade', true), '');
    v_batch CONSTANT bigint := dbperf.current_batch();
    v_has_keys CONSTANT boolean := EXISTS (SELECT FROM dbperf.inbound_keys(mark_rows.target));
    v_rows bigint;
BEGIN
    IF mark_rows.target IS NULL OR dbperf.has_soft_delete(mark_rows.target) IS NOT TRUE THEN
        RAISE EXCEPTION '% has no soft delete', coalesce(mark_rows.target::text, 'NULL')
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Its owner enables it with dbperf.enable_soft_delete().';
    END IF;
    IF mark_rows.predicate IS NULL THEN
        RAISE EXCEPTION 'no predicate says which rows of % to delete', mark_rows.target
            USING ERRCODE = 'null_value_not_allowed', HINT = 'For all of them, say ''true''.';
    END IF;
    IF mark_rows.reason IS NOT NULL THEN
        PERFORM pg_catalog.set_config('dbperf.reason', mark_rows.reason, true);
    END IF;

    IF v_has_keys THEN
        PERFORM dbperf.refuse_older_snapshot(mark_rows.target);
        IF mark_rows."cascade" THEN
            PERFORM pg_catalog.set_config('dbperf.cascade', 'on', true);
            SET CONSTRAINTS dbperf.deletion_check_cascade DEFERRED;
        END IF;
        -- restrict_deletion() takes this lock in any case; whoever inserts a child and then updates its parent would
        -- deadlock with an UPDATE that came first
        EXECUTE pg_catalog.format('SELECT FROM %s WHERE (%s) AND deleted_at IS NULL FOR UPDATE', mark_rows.target, mark_rows.predicate);
    END IF;
    EXECUTE pg_catalog.format(
        'UPDATE %s SET deleted_at = pg_catalog.transaction_timestamp(), deleted_batch = $1 WHERE (%s) AND deleted_at IS NULL',
        mark_rows.target, mark_rows.predicate
    ) USING v_batch;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN QUERY SELECT v_batch, mark_rows.target, v_rows;

    IF v_has_keys AND mark_rows."cascade" THEN
        RETURN QUERY SELECT v_batch, c.marked, c.rows FROM dbperf.mark_children(mark_rows.target) AS c;
        SET CONSTRAINTS dbperf.deletion_check_cascade IMMEDIATE;
        PERFORM pg_catalog.set_config('dbperf.cascade', v_cascade_before, true);
    END IF;
    PERFORM pg_catalog.set_config('dbperf.reason', v_reason_before, true);
END
$$;

COMMENT ON FUNCTION dbperf.mark_rows(regclass, text, text, boolean) IS
    'What dbperf.soft_delete() does. Locks: ROW EXCLUSIVE on the tables, FOR UPDATE on rows that others may reference.';
