CREATE OR REPLACE FUNCTION dbperf.rebuild_unready(relation regclass, most integer)
RETURNS text
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_sides record;
    v_length record;
    v_holder text;
BEGIN
    SELECT s.* INTO v_sides FROM dbperf.rebuild_sides(rebuild_unready.relation) AS s;
    SELECT g.* INTO v_length FROM dbperf.rebuild_log_length(v_sides.id) AS g;
    IF v_length.waiting > rebuild_unready.most THEN
        RETURN pg_catalog.format('%s changes came at once: to apply them would take too long', v_length.waiting);
    ELSIF v_length.stuck > 0 AND NOT v_sides.is_cut_over THEN
        RETURN pg_catalog.format('rows with %s keys are kept out of %s by a unique key', v_length.stuck, v_sides.shadow);
    END IF;
    PERFORM pg_catalog.pg_stat_clear_snapshot();
    -- it would not see all rows of the other table; sessions of roles that this one may not see are left out
    SELECT pg_catalog.format('process %s has a snapshot from %s, before the rows were copied', a.pid, a.xact_start) INTO v_holder
    FROM pg_catalog.pg_stat_activity AS a
    JOIN dbperf.rebuild AS b ON b.id = v_sides.id
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend'
      AND a.backend_xmin IS NOT NULL AND a.xact_start < b.copied_at
    LIMIT 1;
    RETURN v_holder;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_unready(regclass, integer) IS
    'Why the names cannot be swapped now; NULL if they can: too many changes that are still to be applied, rows that do not fit, transactions whose snapshot is older than the copy (of sessions that this role may see: all with pg_read_all_stats). Locks: ACCESS SHARE on the log.';
