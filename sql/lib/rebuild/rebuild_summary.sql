CREATE OR REPLACE FUNCTION dbperf.rebuild_summary(id integer)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN (
        SELECT pg_catalog.format(
            '%s: %s%s, %s of about %s rows copied%s, %s changes applied, %s waiting%s', CASE WHEN b.state IN ('cut over', 'finalized') THEN b.target ELSE b.source END, b.state, CASE WHEN NOT b.is_equipped AND b.ended_at IS NULL THEN ' (not run yet)' END,
            b.copied_rows, b.estimated_rows,
            CASE WHEN b.copied_at IS NULL AND r.rows_per_second > 0 AND b.ended_at IS NULL THEN pg_catalog.format(
                ', %s rows/s, %s left', r.rows_per_second::bigint, pg_catalog.date_trunc('second', greatest(b.estimated_rows - b.copied_rows, 0) / r.rows_per_second * interval '1 second')
            ) END,
            b.applied_changes, coalesce(g.waiting, 0), CASE WHEN g.stuck > 0 THEN pg_catalog.format(', %s stuck', g.stuck) END
        )
        FROM dbperf.rebuild AS b
        CROSS JOIN LATERAL (SELECT b.copied_rows / nullif(extract(epoch FROM b.copying_took)::double precision, 0) AS rows_per_second) AS r
        CROSS JOIN LATERAL dbperf.rebuild_log_length(b.id) AS g
        WHERE b.id = rebuild_summary.id
    );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_summary(integer) IS
    'How far a rebuild is, in a line. Locks: ACCESS SHARE on its change log.';
