CREATE OR REPLACE FUNCTION dbperf.ensure_partition(relation regclass, at timestamp with time zone)
RETURNS regclass
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER -- EXECUTE is the right to it: writers do not own the table
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_at CONSTANT timestamp without time zone := ensure_partition.at AT TIME ZONE 'UTC';
    v_policy record;
    v_leaf CONSTANT regclass := dbperf.partition_for(ensure_partition.relation, ensure_partition.at);
    v_gap record;
BEGIN
    IF v_leaf IS NOT NULL THEN
        RETURN v_leaf;
    END IF;
    SELECT p.* INTO v_policy FROM dbperf.partition_policy AS p WHERE p.relation = ensure_partition.relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no partition policy', ensure_partition.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind) VALUES (...).';
    ELSIF v_at < dbperf.utc_now() - v_policy.max_behind OR v_at > dbperf.utc_now() + v_policy.max_ahead THEN
        RAISE EXCEPTION '% is too far from now for %', ensure_partition.at, ensure_partition.relation
            USING ERRCODE = 'DP005',
                  DETAIL = pg_catalog.format('Its policy allows %s behind and %s ahead.', v_policy.max_behind, v_policy.max_ahead),
                  HINT = 'If the row is right, make max_behind or max_ahead in dbperf.partition_policy wider.';
    ELSIF pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL OR pg_catalog.transaction_timestamp() <> pg_catalog.statement_timestamp() THEN
        RAISE EXCEPTION 'a partition of % cannot be made within a transaction', ensure_partition.relation
            USING ERRCODE = 'active_sql_transaction',
                  DETAIL = 'Its locks would last as long as that transaction, and two of them would deadlock.',
                  HINT = 'Call dbperf.ensure_partition() by itself, in autocommit, before.';
    END IF;

    FOR v_attempt IN 1..3 LOOP
        -- one interval, and of it what its neighbours leave around the time
        SELECT g.lower, g.upper INTO v_gap
        FROM dbperf.partition_gaps(ensure_partition.relation, v_policy.every, v_at, v_at + interval '1 microsecond') AS g
        WHERE g.lower <= v_at AND v_at < g.upper;
        IF NOT FOUND THEN -- somebody has made it
            RETURN dbperf.partition_for(ensure_partition.relation, ensure_partition.at);
        END IF;
        BEGIN
            RETURN dbperf.create_partition(ensure_partition.relation, v_gap.lower, v_gap.upper);
        EXCEPTION WHEN lock_not_available THEN
            IF v_attempt = 3 THEN
                RAISE EXCEPTION 'somebody holds a lock that a new partition of % needs', ensure_partition.relation
                    USING ERRCODE = 'lock_not_available',
                          HINT = 'Look in pg_stat_activity for a transaction that has changed the table itself or written one that it references, your own included, and call this before.';
            END IF;
        END;
        PERFORM pg_catalog.pg_sleep(2); -- let those through who queued behind us
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.ensure_partition(regclass, timestamp with time zone) IS
    'The partition for a row of this time, made if it is missing; a key without time zone is UTC whatever TimeZone says. Alone, in autocommit (25001). The right to EXECUTE it is a DBA''s to grant; it runs as the role that migrated. Raises DP005 out of the policy''s bounds, 55P03 after three times 50 ms. Locks: as dbperf.create_partition() if it makes one, else none.';

REVOKE EXECUTE ON FUNCTION dbperf.ensure_partition(regclass, timestamp with time zone) FROM PUBLIC;
