CREATE OR REPLACE FUNCTION dbperf.follow_template(relation regclass, leaf regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_message text;
BEGIN
    PERFORM dbperf.match_template(follow_template.relation, follow_template.leaf);
EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN -- rows that have no partition are lost, a setting is not: dbperf.maintain() tries it again, and logs it
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;
        RAISE WARNING '% is not as its template: %', follow_template.leaf, v_message
            USING ERRCODE = SQLSTATE, HINT = 'Mend the template; the next dbperf.maintain() changes the partition.';
END
$$;

COMMENT ON FUNCTION dbperf.follow_template(regclass, regclass) IS
    'Makes a new partition as the policy''s template; one that does not fit, because a column was renamed, is a warning, so that rows find their partition. Locks: as dbperf.match_template().';
