CREATE OR REPLACE FUNCTION dbperf.revive_rows(relation regclass, index regclass, keys jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
DECLARE
    v_condition text;
    v_ordering text;
BEGIN
    IF NOT dbperf.has_soft_delete(revive_rows.relation) OR NOT EXISTS (
        SELECT FROM pg_catalog.pg_index AS i WHERE i.indexrelid = revive_rows.index AND i.indrelid = revive_rows.relation AND i.indisunique AND i.indexprs IS NULL
    ) THEN
        RAISE EXCEPTION '% has no deleted rows that index % tells apart', revive_rows.relation, revive_rows.index
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Name a unique index of a table with soft delete.';
    END IF;
    -- types of the table, and values as text: nothing of the caller's runs with these rights
    SELECT pg_catalog.format('EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(%L) AS k (%s) WHERE %s)', revive_rows.keys,
                             pg_catalog.string_agg(pg_catalog.format('%I %s', c.attname, pg_catalog.format_type(c.atttypid, c.atttypmod)), ', '),
                             dbperf.unique_match(revive_rows.index, 'r', 'k')),
           pg_catalog.string_agg(pg_catalog.format('r.%I', c.attname), ', ' ORDER BY u.place)
    INTO v_condition, v_ordering
    FROM pg_catalog.unnest(dbperf.index_columns(revive_rows.index)) WITH ORDINALITY AS u (name, place)
    JOIN pg_catalog.pg_attribute AS c ON c.attrelid = revive_rows.relation AND c.attname = u.name;
    EXECUTE pg_catalog.format('SELECT FROM %s AS r WHERE r.deleted_at IS NOT NULL AND %s ORDER BY %s FOR UPDATE', revive_rows.relation, v_condition, v_ordering);
    PERFORM dbperf.refuse_marked_parents(revive_rows.relation, v_condition || ' AND r.deleted_at IS NOT NULL', NULL);
    RETURN dbperf.clear_marks(revive_rows.relation, v_condition);
END
$$;

COMMENT ON FUNCTION dbperf.revive_rows(regclass, regclass, jsonb) IS
    'Brings the deleted rows with these keys (an array of objects, by the columns of a unique index) back to life and returns how many. EXECUTE on it is the right to do so. Raises 23503 if rows that they reference are deleted. Locks: ROW EXCLUSIVE on the table, FOR UPDATE on the rows, FOR SHARE on those they reference.';

REVOKE EXECUTE ON FUNCTION dbperf.revive_rows(regclass, regclass, jsonb) FROM PUBLIC;
