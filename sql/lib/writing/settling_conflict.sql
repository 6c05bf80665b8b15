CREATE OR REPLACE FUNCTION dbperf.settling_conflict(
    relation regclass, staging regclass, on_conflict text, index regclass, update_columns name[], newer name, on_deleted text, counter regclass
)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key CONSTANT name[] := dbperf.index_columns(settling_conflict.index);
    v_target text;
    v_updates name[];
BEGIN
    IF settling_conflict.index IS NULL THEN
        RETURN '';
    END IF;
    SELECT pg_catalog.format('ON CONFLICT (%s)', (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(u.name), ', ') FROM pg_catalog.unnest(v_key) AS u (name)))
           || coalesce(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid), '') INTO v_target
    FROM pg_catalog.pg_index AS i
    WHERE i.indexrelid = settling_conflict.index;
    SELECT coalesce(settling_conflict.update_columns, pg_catalog.array_agg(s.attname ORDER BY s.attnum), '{}') INTO v_updates
    FROM pg_catalog.pg_attribute AS s
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = settling_conflict.relation AND a.attname = s.attname AND a.attnum > 0
    WHERE s.attrelid = settling_conflict.staging AND s.attnum > 0 AND NOT s.attisdropped AND a.attidentity <> 'a' AND a.attname <> ALL (v_key);
    IF settling_conflict.newer <> ALL (v_updates || v_key) THEN -- or a stale row would be newer than what it says
        v_updates := v_updates || settling_conflict.newer;
    END IF;
    IF settling_conflict.on_conflict = 'ignore' OR v_updates = '{}' THEN
        RETURN v_target || ' DO NOTHING';
    END IF;
    RETURN pg_catalog.format(
        '%s DO UPDATE SET %s WHERE CASE WHEN %s THEN %s WHEN %s THEN %s ELSE false END', v_target,
        (SELECT pg_catalog.string_agg(pg_catalog.format('%1$I = excluded.%1$I', u.name), ', ' ORDER BY u.place) FROM pg_catalog.unnest(v_updates) WITH ORDINALITY AS u (name, place)),
        CASE WHEN dbperf.is_hot(settling_conflict.relation) THEN 't.deleted_at IS NOT NULL' ELSE 'false' END,
        CASE settling_conflict.on_deleted WHEN 'keep' THEN 'false' ELSE pg_catalog.format('dbperf.refuse_deleted_key(%L::pg_catalog.regclass)', dbperf.target_name(settling_conflict.relation)) END,
        CASE WHEN settling_conflict.newer IS NULL THEN 'true' ELSE pg_catalog.format('(t.%1$I IS NULL AND excluded.%1$I IS NOT NULL OR excluded.%1$I > t.%1$I)', settling_conflict.newer) END,
        CASE WHEN settling_conflict.counter IS NULL THEN pg_catalog.format('pg_catalog.set_config(''dbperf.met'', %s, true) IS NOT NULL', dbperf.settling_key(v_key, v_updates))
             ELSE pg_catalog.format('pg_catalog.nextval(%L::pg_catalog.regclass) > 0', dbperf.target_name(settling_conflict.counter)) END
    );
END
$$;

COMMENT ON FUNCTION dbperf.settling_conflict(regclass, regclass, text, regclass, name[], name, text, regclass) IS
    'What the INSERT of dbperf.settling_statement() does with a row whose key in the index is there: nothing, or an update that says so to the counter. Locks: none.';
