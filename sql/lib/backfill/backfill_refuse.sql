CREATE OR REPLACE FUNCTION dbperf.backfill_refuse(relation regclass, accept_triggers boolean)
RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_reason record;
BEGIN
    SELECT o.* INTO v_reason
    FROM pg_catalog.pg_class AS c
    CROSS JOIN LATERAL (
        VALUES
            (NOT EXISTS (SELECT FROM dbperf.partition_policy AS p WHERE p.relation = c.oid),
             pg_catalog.format('%s has no partition policy', c.oid::regclass),
             'Write one into dbperf.partition_policy: it says how long a partition is.'),
            (EXISTS (SELECT FROM pg_catalog.pg_partitioned_table AS t WHERE t.partrelid = c.oid AND t.partdefid <> 0),
             pg_catalog.format('%s has a DEFAULT partition, which would be read for each new one', c.oid::regclass),
             pg_catalog.format('CALL dbperf.drain_default(%L).', c.oid::regclass)),
            -- the change log does not see rows that come with a partition: the other table would lack them
            (EXISTS (SELECT FROM dbperf.rebuild AS b WHERE b.ended_at IS NULL AND c.oid IN (b.source, b.target)),
             pg_catalog.format('%s is being rebuilt, or was and is not finalized', c.oid::regclass),
             'dbperf rebuild finalize or abort it, then call this again.'),
            (NOT backfill_refuse.accept_triggers AND EXISTS (
                SELECT FROM pg_catalog.pg_trigger AS g
                JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid
                JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace
                WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND (g.tgtype & 4) <> 0 AND n.nspname <> 'dbperf' -- on INSERT
             ),
             pg_catalog.format('%s has triggers on INSERT, which do not fire for rows that come with a partition', c.oid::regclass),
             'Accept that: accept_triggers => true; or load into the table itself.'),
            (EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = c.oid),
             pg_catalog.format('%s references itself: rows could not be checked before they are in it', c.oid::regclass),
             'Load into the table itself.'),
            (EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid),
             pg_catalog.format('%s has rules, which do not hold for rows that come with a partition', c.oid::regclass),
             'Drop them, or load into the table itself.')
    ) AS o (is_met, reason, remedy)
    WHERE c.oid = backfill_refuse.relation AND o.is_met
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%', v_reason.reason USING ERRCODE = 'object_not_in_prerequisite_state', HINT = v_reason.remedy;
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_refuse(regclass, boolean) IS
    'Raises 55000 with the first reason why no table can be filled and attached to this one. Locks: none.';
