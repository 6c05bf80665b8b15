CREATE OR REPLACE FUNCTION dbperf.rebuild_sides(relation regclass)
RETURNS TABLE (
    id integer, is_cut_over boolean, live regclass, shadow regclass,
    live_columns name[], shadow_columns name[], live_key name[], shadow_key name[], log text
)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        SELECT b.id, c.over, CASE WHEN c.over THEN b.target ELSE b.source END, CASE WHEN c.over THEN b.source ELSE b.target END,
               CASE WHEN c.over THEN b.target_columns ELSE b.source_columns END, CASE WHEN c.over THEN b.source_columns ELSE b.target_columns END,
               CASE WHEN c.over THEN b.target_key ELSE b.source_key END, CASE WHEN c.over THEN b.source_key ELSE b.target_key END,
               'dbperf.rebuild_log_' || b.id
        FROM dbperf.rebuild AS b
        CROSS JOIN LATERAL (SELECT b.state = 'cut over') AS c (over)
        WHERE b.ended_at IS NULL AND rebuild_sides.relation IN (b.source, b.target);
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not being rebuilt', rebuild_sides.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'SELECT dbperf.rebuild_start(table, target) begins it; dbperf.rebuild lists what was.';
    ELSIF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class AS c WHERE c.oid IN (SELECT pg_catalog.unnest(ARRAY[b.source, b.target]) FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND rebuild_sides.relation IN (b.source, b.target))) < 2 THEN
        RAISE EXCEPTION 'a table of this rebuild was dropped'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = pg_catalog.format('SELECT dbperf.rebuild_forget(%s) ends it; the other table stays as it is.', (SELECT b.id FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND rebuild_sides.relation IN (b.source, b.target)));
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_sides(regclass) IS
    'The rebuild of a table, named by either of the two: which one is used now (live) and which one is kept in step (shadow), the columns that are copied and the keys, both in the same order, and the change log. Raises 55000 if there is none. Locks: none.';
