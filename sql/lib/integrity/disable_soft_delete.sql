CREATE OR REPLACE FUNCTION dbperf.disable_soft_delete(relation regclass)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy must not hide a marked row: it would come back to life
AS $$
DECLARE
    v_columns_made boolean;
    v_side regclass;
    v_left boolean;
BEGIN
    SELECT t.columns_made INTO v_columns_made FROM dbperf.soft_delete_table AS t WHERE t.relation = disable_soft_delete.relation;
    IF NOT FOUND THEN
        RAISE NOTICE '% has no soft delete', disable_soft_delete.relation;
        RETURN NULL;
    END IF;

    IF v_columns_made THEN
        PERFORM dbperf.refuse_stranded_children(disable_soft_delete.relation, true);
        -- what is many moves first, while writers go on; what came meanwhile under the lock
        v_side := dbperf.set_aside_deleted(disable_soft_delete.relation, NULL);
    END IF;
    EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', disable_soft_delete.relation);
    IF v_columns_made THEN
        v_side := dbperf.set_aside_deleted(disable_soft_delete.relation, v_side);
    END IF;

    IF v_columns_made THEN
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s WHERE deleted_at IS NOT NULL)', disable_soft_delete.relation) INTO v_left;
        IF v_left THEN -- without their marks they would live again
            RAISE EXCEPTION 'something on % keeps deleted rows from being set aside', disable_soft_delete.relation
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Look for triggers on its DELETE that return NULL. Nothing was changed.';
        END IF;
    END IF;

    PERFORM dbperf.drop_soft_delete_guards(disable_soft_delete.relation);
    PERFORM dbperf.drop_active_view(disable_soft_delete.relation);
    IF v_columns_made THEN
        EXECUTE pg_catalog.format('ALTER TABLE %s DROP COLUMN deleted_at, DROP COLUMN deleted_batch', disable_soft_delete.relation);
    END IF;
    DELETE FROM dbperf.soft_delete_table AS t WHERE t.relation = disable_soft_delete.relation;

    IF v_side IS NOT NULL THEN
        RAISE NOTICE 'kept: the deleted rows of % are in table %', disable_soft_delete.relation, v_side;
    END IF;
    RETURN v_side;
END
$$;

COMMENT ON FUNCTION dbperf.disable_soft_delete(regclass) IS
    'A DELETE removes rows again. Rows that are marked move to a table of their own beside it, <table>_deleted, whose name is returned and said in a notice (NULL if there were none); columns that dbperf had added go. Raises 23503 if other rows still reference them. If the marks'' columns were there before, rows and columns stay. Locks: ROW EXCLUSIVE while rows move, then ACCESS EXCLUSIVE on the table and its partitions, briefly; ACCESS SHARE on those that reference it.';
