CREATE OR REPLACE FUNCTION dbperf.delete_active()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
-- no SET search_path: triggers of the table run inside it, and expect the caller's
AS $$
DECLARE
    v_relation CONSTANT pg_catalog.regclass := dbperf.active_view_table(TG_RELID);
    v_key CONSTANT text := (SELECT dbperf.unique_match(i.indexrelid, 't', '($1)') FROM pg_catalog.pg_index AS i WHERE i.indrelid OPERATOR(pg_catalog.=) v_relation AND i.indisprimary);
    v_is_same text;
    v_is_alive boolean;
BEGIN
    SELECT pg_catalog.format(
        't.deleted_at IS NULL AND ROW(%s)::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(%s)::pg_catalog.record',
        pg_catalog.string_agg(pg_catalog.format('t.%I', a.attname), ', ' ORDER BY a.attnum),
        pg_catalog.string_agg(pg_catalog.format('($1).%I', a.attname), ', ' ORDER BY a.attnum)
    ) INTO v_is_same
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) TG_RELID AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped;

    PERFORM pg_catalog.set_config('dbperf.deleted_rows', '0', false);
    EXECUTE pg_catalog.format(
        'DELETE FROM ONLY %s AS t WHERE %s AND %s', v_relation, v_is_same,
        -- without a primary key: one of the rows that are the same in every byte
        coalesce(v_key, pg_catalog.format('t.ctid = (SELECT t.ctid FROM ONLY %s AS t WHERE %s LIMIT 1)', v_relation, v_is_same))
    ) USING OLD;
    IF pg_catalog.current_setting('dbperf.deleted_rows') OPERATOR(pg_catalog.<>) '0' THEN
        RETURN OLD;
    END IF;

    IF v_key IS NOT NULL THEN -- the statement's WHERE is not looked at again, as a table's would be; what is the same, a policy keeps
        EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM ONLY %s AS t WHERE t.deleted_at IS NULL AND %s AND NOT (%s))', v_relation, v_key, v_is_same)
        INTO v_is_alive USING OLD;
        IF v_is_alive THEN
            RAISE EXCEPTION 'a row of % changed while it was being deleted', v_relation
                USING ERRCODE = 'serialization_failure',
                      HINT = pg_catalog.format('Run it again; if the row changes all the time, DELETE FROM %s or dbperf.soft_delete().', v_relation);
        END IF;
    END IF;
    RETURN NULL; -- somebody else was first: not counted
END
$$;

COMMENT ON FUNCTION dbperf.delete_active() IS
    'Trigger, INSTEAD OF DELETE on the view of live rows of an ordinary table: deletes the row with the caller''s rights and counts it only if it was still alive; raises 40001 if somebody changed it meanwhile. Locks: ROW EXCLUSIVE on the table.';
