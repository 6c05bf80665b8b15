CREATE OR REPLACE FUNCTION dbperf.rebuild_log_length(id integer, OUT waiting bigint, OUT stuck bigint)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF pg_catalog.to_regclass('dbperf.rebuild_log_' || rebuild_log_length.id) IS NOT NULL THEN
        EXECUTE pg_catalog.format(
            'SELECT pg_catalog.count(*) FILTER (WHERE NOT g.stuck), pg_catalog.count(*) FILTER (WHERE g.stuck) FROM (SELECT x.stuck FROM dbperf.rebuild_log_%s AS x LIMIT 1000000) AS g', rebuild_log_length.id
        ) INTO waiting, stuck;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_log_length(integer) IS
    'Entries of a rebuild''s change log that are still to be applied, and that cannot be; counted up to a million. NULL if the rebuild is over. Locks: ACCESS SHARE on the log.';
