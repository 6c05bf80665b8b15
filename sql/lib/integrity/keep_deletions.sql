CREATE OR REPLACE FUNCTION dbperf.keep_deletions()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_left text;
    v_schema name;
    v_name text;
BEGIN
    SELECT pg_catalog.string_agg(t.relation::text, ', ') INTO v_left
    FROM dbperf.soft_delete_table AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.relation
    WHERE t.relation NOT IN (SELECT k.relation FROM dbperf.trading_table AS k); -- migrations take care of those
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'tables still have soft delete: %', v_left
            USING ERRCODE = 'DP002', HINT = 'SELECT dbperf.disable_soft_delete() for each of them first, then roll back again.';
    END IF;
    SELECT pg_catalog.string_agg(pg_catalog.format('%I of %s', x.key_name, x.relation), ', ') INTO v_left
    FROM dbperf.key_change AS x JOIN pg_catalog.pg_class AS c ON c.oid = x.relation
    WHERE x.relation NOT IN (SELECT k.relation FROM dbperf.trading_table AS k);
    IF v_left IS NOT NULL THEN
        RAISE EXCEPTION 'foreign keys are still changed: %', v_left
            USING ERRCODE = 'DP002', HINT = 'CALL dbperf.restore_cascades() for their schemas first, then roll back again.';
    END IF;

    IF EXISTS (SELECT FROM dbperf.deletion) OR EXISTS (SELECT FROM dbperf.purge_log) THEN
        SELECT n.nspname INTO v_schema
        FROM (SELECT d.relation FROM dbperf.deletion AS d UNION SELECT p.relation FROM dbperf.purge_log AS p) AS r
        JOIN pg_catalog.pg_class AS c ON c.oid = r.relation
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        ORDER BY r.relation LIMIT 1;
        SELECT pg_catalog.format('%I.%I', coalesce(v_schema, 'public'), f.name) INTO v_name
        FROM (SELECT 'dbperf_deletion' || coalesce('_' || nullif(i, 1), '') AS name FROM pg_catalog.generate_series(1, 1000) AS i) AS f
        WHERE pg_catalog.to_regclass(pg_catalog.format('%I.%I', coalesce(v_schema, 'public'), f.name)) IS NULL
        LIMIT 1;
        EXECUTE pg_catalog.format(
            'CREATE TABLE %s AS SELECT d.batch, d.ordinal, d.relation::text, d.deleted_at, d.deleted_by, d.acting_as, d.application, d.client, d.reason, '
            'd.undeleted_at, d.undeleted_by, NULL::bigint AS purged_rows FROM dbperf.deletion AS d '
            'UNION ALL SELECT NULL, NULL, p.relation::text, p.purged_at, p.purged_by, NULL, NULL, NULL, NULL, NULL, NULL, p.rows FROM dbperf.purge_log AS p',
            v_name
        );
        EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS %L', v_name, 'dbperf: who deleted and purged what, kept when dbperf was rolled back. Nothing drops it by itself.');
        RAISE NOTICE 'kept: who deleted what, and why, is in table %', v_name;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.keep_deletions() IS
    'Keeps the records of deletions and purges, if there are any, in a table dbperf_deletion of the schema of the tables they are about, and says so. Raises DP002 while tables other than the trading tables have soft delete or changed keys. Locks: none.';
