CREATE OR REPLACE FUNCTION dbperf.soft_delete(
    relation regclass, predicate text, reason text DEFAULT NULL, "cascade" boolean DEFAULT false
)
RETURNS TABLE (batch bigint, relation regclass, rows bigint)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    -- PL/pgSQL does not let a result have the name of an argument
    SELECT m.batch, m.marked, pg_catalog.sum(m.rows)::bigint -- a table that references itself comes twice
    FROM dbperf.mark_rows($1, $2, $3, $4) WITH ORDINALITY AS m (batch, marked, rows, place)
    GROUP BY m.batch, m.marked
    ORDER BY pg_catalog.min(m.place)
$$;

COMMENT ON FUNCTION dbperf.soft_delete(regclass, text, text, boolean) IS
    'Marks the live rows of the table for which the predicate is true (SQL; names in it need their schema; it must not be volatile), one set-based statement; with cascade also live rows that reference them, at any depth. Returns batch, table and number of rows for each table. Needs SELECT and UPDATE on the tables. Raises 23503 while live rows reference them. Locks: ROW EXCLUSIVE on the tables.';
