CREATE OR REPLACE FUNCTION dbperf.conflict_index(relation regclass, key name[])
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_index regclass;
    v_partial text; -- if there is no full one
BEGIN
    SELECT (pg_catalog.array_agg(i.indexrelid ORDER BY i.indpred IS NOT NULL, i.indisprimary DESC, i.indexrelid))[1],
           CASE WHEN pg_catalog.count(*) > 1 AND pg_catalog.bool_and(i.indpred IS NOT NULL) THEN pg_catalog.string_agg(i.indexrelid::regclass::text, ', ' ORDER BY i.indexrelid) END
    INTO v_index, v_partial
    FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = conflict_index.relation AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indexprs IS NULL
      AND CASE WHEN conflict_index.key IS NULL THEN i.indisprimary ELSE dbperf.index_columns(i.indexrelid) @> conflict_index.key AND dbperf.index_columns(i.indexrelid) <@ conflict_index.key END;
    IF v_index IS NULL THEN
        RAISE EXCEPTION 'no unique index of % has exactly the key columns (%)', conflict_index.relation,
            coalesce(pg_catalog.array_to_string(conflict_index.key, ', '), 'of a primary key')
            USING ERRCODE = 'invalid_column_reference',
                  HINT = 'Name the columns of a unique index that is valid and not deferrable, or create one: without it two writers at once would store a row twice.';
    END IF;
    IF v_partial IS NOT NULL THEN
        RAISE EXCEPTION 'several unique indexes of %, all of them partial, have the key columns (%)', conflict_index.relation, pg_catalog.array_to_string(conflict_index.key, ', ')
            USING ERRCODE = 'invalid_column_reference',
                  DETAIL = pg_catalog.format('They are %s, and a conflict can be settled by one index only.', v_partial),
                  HINT = 'Create one without WHERE, drop all but one, or write without on_conflict.';
    END IF;
    RETURN v_index;
END
$$;

COMMENT ON FUNCTION dbperf.conflict_index(regclass, name[]) IS
    'The unique index that tells rows of the table apart by these columns, in whatever order; NULL for the primary key. A full index goes before a partial one. Raises 42P10 if there is none, or several that are all partial. Locks: none.';
