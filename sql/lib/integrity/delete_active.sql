CREATE OR REPLACE FUNCTION dbperf.delete_active()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = ''
AS $$
DECLARE
    v_relation CONSTANT regclass := dbperf.active_view_table(TG_RELID);
    v_condition text;
BEGIN
    SELECT dbperf.unique_match(i.indexrelid, 't', '($1)') INTO v_condition
    FROM pg_catalog.pg_index AS i WHERE i.indrelid = v_relation AND i.indisprimary;

    IF v_condition IS NULL THEN
        -- without a primary key: one of the rows that are the same in every byte
        SELECT pg_catalog.format(
            't.ctid = (SELECT s.ctid FROM ONLY %s AS s WHERE s.deleted_at IS NULL AND ROW(%s)::record OPERATOR(pg_catalog.*=) ROW(%s)::record LIMIT 1)', v_relation,
            pg_catalog.string_agg(pg_catalog.format('s.%I', a.attname), ', ' ORDER BY a.attnum),
            pg_catalog.string_agg(pg_catalog.format('($1).%I', a.attname), ', ' ORDER BY a.attnum)
        ) INTO v_condition
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped;
    END IF;

    PERFORM pg_catalog.set_config('dbperf.deleted_rows', '0', false);
    EXECUTE pg_catalog.format('DELETE FROM ONLY %s AS t WHERE %s AND t.deleted_at IS NULL', v_relation, v_condition) USING OLD;
    IF pg_catalog.current_setting('dbperf.deleted_rows') = '0' THEN
        RETURN NULL; -- somebody else was first: not counted
    END IF;
    RETURN OLD;
END
$$;

COMMENT ON FUNCTION dbperf.delete_active() IS
    'Trigger, INSTEAD OF DELETE on the view of live rows of an ordinary table: deletes the row with the caller''s rights and counts it only if it was still alive. Locks: ROW EXCLUSIVE on the table.';
