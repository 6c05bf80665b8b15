CREATE OR REPLACE FUNCTION dbperf.set_aside_deleted(relation regclass, side regclass)
RETURNS regclass
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
AS $$
DECLARE
    v_side regclass := set_aside_deleted.side;
    v_name text;
    v_columns text;
    v_found boolean;
BEGIN
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM %s WHERE deleted_at IS NOT NULL)', set_aside_deleted.relation) INTO v_found;
    IF NOT v_found THEN
        RETURN v_side;
    END IF;

    IF v_side IS NULL THEN
        v_name := dbperf.name_beside(set_aside_deleted.relation, '_deleted', 45);
        EXECUTE pg_catalog.format('CREATE TABLE %s (LIKE %s INCLUDING COMMENTS)', v_name, set_aside_deleted.relation);
        EXECUTE pg_catalog.format(
            'COMMENT ON TABLE %s IS %L', v_name,
            pg_catalog.format('dbperf: rows of %s that were deleted when soft delete was disabled. Nothing drops it by itself.', set_aside_deleted.relation)
        );
        v_side := v_name::regclass;
    END IF;

    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = set_aside_deleted.relation AND a.attnum > 0 AND NOT a.attisdropped;

    INSERT INTO dbperf.delete_ticket (xid, relation, purpose, cutoff)
    VALUES (pg_catalog.pg_current_xact_id(), set_aside_deleted.relation, 'remove', 'infinity');
    EXECUTE pg_catalog.format(
        'WITH moved AS (DELETE FROM %s WHERE deleted_at IS NOT NULL RETURNING %2$s) INSERT INTO %3$s (%2$s) SELECT %2$s FROM moved',
        set_aside_deleted.relation, v_columns, v_side
    );
    DELETE FROM dbperf.delete_ticket AS t WHERE t.xid = pg_catalog.pg_current_xact_id() AND t.relation = set_aside_deleted.relation;
    RETURN v_side;
END
$$;

COMMENT ON FUNCTION dbperf.set_aside_deleted(regclass, regclass) IS
    'Moves marked rows out of the table into the side table, which is made if it is NULL and there are any; returns it. Locks: ROW EXCLUSIVE on both.';
