CREATE OR REPLACE FUNCTION dbperf.rebuild_log_changes()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER -- who writes the table need not be allowed to write its log
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Arguments: the log, its columns, the key's columns. Both keys of an UPDATE; twice the same one is once.
    -- Never ON CONFLICT: whoever would wait for, or skip, an entry that somebody is about to drain would lose a change.
    EXECUTE pg_catalog.format(
        CASE TG_OP
            WHEN 'INSERT' THEN 'INSERT INTO %1$s (%2$s) SELECT %3$s FROM new_rows'
            WHEN 'UPDATE' THEN 'INSERT INTO %1$s (%2$s) SELECT %3$s FROM old_rows UNION SELECT %3$s FROM new_rows'
            ELSE 'INSERT INTO %1$s (%2$s) SELECT %3$s FROM old_rows'
        END, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]
    );
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_log_changes() IS
    'Trigger, AFTER INSERT, UPDATE, DELETE FOR EACH STATEMENT of a table that is being rebuilt: writes the keys that were touched into the change log. Locks: ROW EXCLUSIVE on the log.';

REVOKE EXECUTE ON FUNCTION dbperf.rebuild_log_changes() FROM PUBLIC;
