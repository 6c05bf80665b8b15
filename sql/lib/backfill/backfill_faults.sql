CREATE OR REPLACE FUNCTION dbperf.backfill_faults(leaf regclass, reason text DEFAULT NULL)
RETURNS TABLE (fault text, name name, row_key jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy must not hide a referenced row
AS $$
DECLARE
    v_relation CONSTANT regclass := (SELECT b.relation FROM dbperf.backfill AS b WHERE b.leaf = backfill_faults.leaf AND b.ended_at IS NULL);
    v_key record;
BEGIN
    FOR v_key IN
        SELECT c.relname, u.columns, u.row_key, CASE WHEN NOT i.indnullsnotdistinct THEN u.is_not_null END AS is_not_null, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        CROSS JOIN LATERAL (
            SELECT pg_catalog.string_agg(d.text, ', ' ORDER BY n) AS columns, pg_catalog.string_agg(pg_catalog.format('%L, %s', d.text, d.text), ', ' ORDER BY n) AS row_key,
                   pg_catalog.string_agg(d.text || ' IS NOT NULL', ' AND ' ORDER BY n) AS is_not_null
            FROM pg_catalog.generate_series(1, i.indnkeyatts) AS n CROSS JOIN LATERAL pg_catalog.pg_get_indexdef(i.indexrelid, n, false) AS d (text)
        ) AS u
        WHERE i.indrelid = v_relation AND i.indisunique AND coalesce(backfill_faults.reason, 'duplicate') = 'duplicate'
          AND NOT EXISTS (SELECT FROM dbperf.like_indexes(v_relation, backfill_faults.leaf) AS l WHERE l.index = i.indexrelid) -- it would not be there
        ORDER BY i.indexrelid
    LOOP
        RETURN QUERY EXECUTE pg_catalog.format(
            'SELECT ''duplicate'', %L::name, d.row_key FROM ('
            'SELECT pg_catalog.jsonb_build_object(''ctid'', ctid::text, %s) AS row_key, pg_catalog.count(*) OVER same AS number, pg_catalog.row_number() OVER (ORDER BY %s, ctid) AS place'
            ' FROM %s%s WINDOW same AS (PARTITION BY %s)) AS d WHERE d.number > 1 ORDER BY d.place',
            v_key.relname, v_key.row_key, v_key.columns, backfill_faults.leaf, ' WHERE ' || nullif(pg_catalog.concat_ws(' AND ', v_key.is_not_null, v_key.predicate), ''), v_key.columns
        );
    END LOOP;
    FOR v_key IN
        SELECT k.*, coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)::regclass AS parent, p.relkind = 'p' AS is_partitioned, u.row_key, u.is_referencing
        FROM pg_catalog.pg_constraint AS k
        JOIN pg_catalog.pg_class AS p ON p.oid = k.confrelid
        CROSS JOIN LATERAL (
            SELECT pg_catalog.string_agg(pg_catalog.format('%L, r.%I', c.name, c.name), ', ') AS row_key,
                   pg_catalog.string_agg(pg_catalog.format('r.%I IS NOT NULL', c.name), CASE WHEN k.confmatchtype = 'f' THEN ' OR ' ELSE ' AND ' END) AS is_referencing
            FROM pg_catalog.unnest(dbperf.column_names(k.conrelid, k.conkey)) AS c (name)
        ) AS u
        WHERE k.conrelid = v_relation AND k.contype = 'f' AND k.conparentid = 0
        ORDER BY k.oid
    LOOP
        IF coalesce(backfill_faults.reason, 'orphan') = 'orphan' THEN
            RETURN QUERY EXECUTE pg_catalog.format(
                'SELECT ''orphan'', %L::name, pg_catalog.jsonb_build_object(''ctid'', r.ctid::text, %s) FROM %s AS r WHERE (%s) AND NOT EXISTS (SELECT FROM %s%s AS p WHERE %s)',
                v_key.conname, v_key.row_key, backfill_faults.leaf, v_key.is_referencing,
                CASE WHEN NOT v_key.is_partitioned THEN 'ONLY ' END, v_key.confrelid::regclass, dbperf.key_match(v_key.oid, 'r', 'p')
            );
        END IF;
        IF coalesce(backfill_faults.reason, 'deleted') = 'deleted' AND dbperf.has_soft_delete(v_key.parent) THEN
            RETURN QUERY EXECUTE pg_catalog.format(
                'SELECT ''deleted'', %L::name, pg_catalog.jsonb_build_object(''ctid'', r.ctid::text, %s) FROM %s AS r JOIN %s AS p ON %s WHERE p.deleted_at IS NOT NULL',
                v_key.conname, v_key.row_key, backfill_faults.leaf, v_key.parent, dbperf.key_match(v_key.oid, 'r', 'p')
            );
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_faults(regclass, text) IS
    'Rows that keep a table that is being filled from becoming a partition: duplicate (of a unique key or index), orphan (the referenced row is missing), deleted (it is marked); all of them or of one such reason. row_key has the key''s columns and the row''s ctid. Reads the whole table once for each key. Locks: ACCESS SHARE on it and the tables that it references.';
