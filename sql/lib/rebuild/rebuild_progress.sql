CREATE OR REPLACE VIEW dbperf.rebuild_progress WITH (security_invoker = true) AS
SELECT
    b.id,
    b.source,
    b.target,
    b.state,
    b.started_at,
    b.ended_at,
    b.estimated_rows,
    b.copied_rows,
    b.copied_at,
    r.rows_per_second,
    CASE WHEN b.copied_at IS NULL AND b.ended_at IS NULL THEN greatest(b.estimated_rows - b.copied_rows, 0) / nullif(r.rows_per_second, 0) * interval '1 second' END AS remaining,
    b.applied_changes,
    g.waiting AS waiting_changes,
    g.stuck AS stuck_changes,
    b.verified_at,
    b.verified_rows,
    b.differences,
    b.swapped_at,
    dbperf.rebuild_summary(b.id) AS summary
FROM dbperf.rebuild AS b
CROSS JOIN LATERAL (SELECT b.copied_rows / nullif(extract(epoch FROM b.copying_took)::double precision, 0) AS rows_per_second) AS r
CROSS JOIN LATERAL dbperf.rebuild_log_length(b.id) AS g;

COMMENT ON VIEW dbperf.rebuild_progress IS 'Every rebuild, and how far it is. Locks: ACCESS SHARE on the change logs.';

COMMENT ON COLUMN dbperf.rebuild_progress.id IS 'Number of the rebuild.';

COMMENT ON COLUMN dbperf.rebuild_progress.source IS 'The table as it was.';

COMMENT ON COLUMN dbperf.rebuild_progress.target IS 'The table as it is to be.';

COMMENT ON COLUMN dbperf.rebuild_progress.state IS 'copying, cut over, finalized or aborted; see dbperf.rebuild.';

COMMENT ON COLUMN dbperf.rebuild_progress.started_at IS 'When it began.';

COMMENT ON COLUMN dbperf.rebuild_progress.ended_at IS 'When it was finalized or aborted.';

COMMENT ON COLUMN dbperf.rebuild_progress.estimated_rows IS 'Rows to copy, as the planner estimated.';

COMMENT ON COLUMN dbperf.rebuild_progress.copied_rows IS 'Rows that were copied.';

COMMENT ON COLUMN dbperf.rebuild_progress.copied_at IS 'When all of them were.';

COMMENT ON COLUMN dbperf.rebuild_progress.rows_per_second IS 'Rows copied in a second, pauses left out.';

COMMENT ON COLUMN dbperf.rebuild_progress.remaining IS 'How long the rest takes at that rate.';

COMMENT ON COLUMN dbperf.rebuild_progress.applied_changes IS 'Keys that were touched meanwhile and have been copied again.';

COMMENT ON COLUMN dbperf.rebuild_progress.waiting_changes IS 'Keys in the change log that have not.';

COMMENT ON COLUMN dbperf.rebuild_progress.stuck_changes IS 'Keys whose rows a unique key of the other table keeps out.';

COMMENT ON COLUMN dbperf.rebuild_progress.verified_at IS 'When it was last verified.';

COMMENT ON COLUMN dbperf.rebuild_progress.verified_rows IS 'Rows that were compared.';

COMMENT ON COLUMN dbperf.rebuild_progress.differences IS 'Differences that were found.';

COMMENT ON COLUMN dbperf.rebuild_progress.swapped_at IS 'When the names were last swapped.';

COMMENT ON COLUMN dbperf.rebuild_progress.summary IS 'All of it in a line.';
