CREATE OR REPLACE FUNCTION dbperf.conflict_index(relation regclass, key name[])
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_index regclass;
BEGIN
    SELECT i.indexrelid INTO v_index
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL (
        SELECT pg_catalog.array_agg(a.attname ORDER BY a.attname) AS columns
        FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
        WHERE u.place <= i.indnkeyatts
    ) AS k
    WHERE i.indrelid = conflict_index.relation AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indexprs IS NULL
      AND CASE WHEN conflict_index.key IS NULL THEN i.indisprimary ELSE k.columns = ARRAY(SELECT DISTINCT u.name FROM pg_catalog.unnest(conflict_index.key) AS u (name) ORDER BY u.name) END
    ORDER BY i.indpred IS NOT NULL, i.indisprimary DESC, i.indexrelid
    LIMIT 1;
    IF v_index IS NULL THEN
        RAISE EXCEPTION 'no unique index of % has exactly the key columns (%)', conflict_index.relation,
            coalesce(pg_catalog.array_to_string(conflict_index.key, ', '), 'of a primary key')
            USING ERRCODE = 'invalid_column_reference',
                  HINT = 'Name the columns of a unique index that is valid and not deferrable, or create one: without it two writers at once would store a row twice.';
    END IF;
    RETURN v_index;
END
$$;

COMMENT ON FUNCTION dbperf.conflict_index(regclass, name[]) IS
    'The unique index that tells rows of the table apart by these columns, in whatever order; NULL for the primary key. A full index goes before a partial one. Raises 42P10 if there is none. Locks: none.';
