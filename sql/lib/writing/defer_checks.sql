CREATE OR REPLACE FUNCTION dbperf.defer_checks(relation regclass, again boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    v_own oid[];
    v_constraints text;
    v_other pg_catalog.pg_constraint;
BEGIN
    v_own := ARRAY( -- a partition's that is its parent's follows that
        SELECT k.oid FROM dbperf.table_tree(defer_checks.relation) AS t (relation) JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.relation
        WHERE k.condeferrable AND (k.conrelid = defer_checks.relation OR k.conparentid = 0)
    );
    SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, k.conname), ', ') INTO v_constraints
    FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_namespace AS n ON n.oid = k.connamespace
    WHERE k.oid = ANY (v_own) AND (k.condeferred OR NOT defer_checks.again);
    IF v_constraints IS NULL THEN
        RETURN;
    END IF;
    SELECT o.* INTO v_other -- SET CONSTRAINTS knows names alone
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_constraint AS o ON o.conname = k.conname AND o.connamespace = k.connamespace AND o.conrelid <> k.conrelid AND NOT o.condeferrable
    WHERE k.oid = ANY (v_own)
    LIMIT 1;
    IF v_other.oid IS NOT NULL THEN
        RAISE EXCEPTION 'which rows of % break its deferrable constraint % cannot be told: another one has that name', defer_checks.relation, v_other.conname
            USING ERRCODE = 'duplicate_object', DETAIL = pg_catalog.format('It is not deferrable, and of %s.', coalesce(nullif(v_other.conrelid, 0)::regclass::text, 'a domain')),
                  HINT = 'Rename one of them, or write without quarantine.';
    END IF;
    EXECUTE pg_catalog.format('SET CONSTRAINTS %s %s', v_constraints, CASE WHEN defer_checks.again THEN 'DEFERRED' ELSE 'IMMEDIATE' END);
END
$$;

COMMENT ON FUNCTION dbperf.defer_checks(regclass, boolean) IS
    'Makes the table''s deferrable constraints immediate, so that who is bad shows now and not at COMMIT; again: those that are initially deferred are deferred again. Locks: none.';
