CREATE OR REPLACE FUNCTION dbperf.revive_met(relation regclass, index regclass, source text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_keys jsonb;
BEGIN
    EXECUTE pg_catalog.format(
        'SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(%s)) FROM (%s) AS s WHERE EXISTS (SELECT FROM %s AS m WHERE m.deleted_at IS NOT NULL AND %s)',
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$L, s.%1$I', u.name), ', ') FROM pg_catalog.unnest(dbperf.index_columns(revive_met.index)) AS u (name)),
        revive_met.source, revive_met.relation, dbperf.unique_match(revive_met.index, 'm', 's')
    ) INTO v_keys;
    IF v_keys IS NOT NULL THEN
        PERFORM dbperf.revive_rows(revive_met.relation, revive_met.index, v_keys);
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.revive_met(regclass, regclass, text) IS
    'Brings the deleted rows back to life whose key a row of the source, a query, has. Locks: as dbperf.revive_rows().';
