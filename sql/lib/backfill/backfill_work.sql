CREATE OR REPLACE FUNCTION dbperf.backfill_work(leaf regclass)
RETURNS TABLE (statement text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_relation regclass;
BEGIN
    SELECT b.relation INTO v_relation FROM dbperf.backfill AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.leaf
    WHERE b.leaf = backfill_work.leaf AND b.ended_at IS NULL;
    RETURN QUERY -- without names: the server chooses those that it would have chosen for a new partition
        SELECT coalesce('SET LOCAL default_tablespace = ' || pg_catalog.quote_ident(s.spcname) || '; ', '') || CASE
            WHEN k.oid IS NULL THEN pg_catalog.format('CREATE %sINDEX ON %s %s', CASE WHEN i.indisunique THEN 'UNIQUE ' END, backfill_work.leaf, pg_catalog.regexp_replace(dbperf.index_definition(i.indexrelid), '^UNIQUE ', ''))
            ELSE pg_catalog.format('ALTER TABLE %s ADD %s%s%s', backfill_work.leaf,
                CASE WHEN l.other_index IS NULL OR k.contype = 'x' THEN pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' DEFERRABLE( INITIALLY DEFERRED)?$', '')
                     ELSE pg_catalog.format('%s USING INDEX %I', CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, (SELECT o.relname FROM pg_catalog.pg_class AS o WHERE o.oid = l.other_index)) END,
                CASE WHEN l.other_index IS NULL AND k.contype <> 'x' THEN ' WITH (' || pg_catalog.array_to_string(c.reloptions, ', ') || ')' END,
                CASE WHEN k.condeferrable THEN ' DEFERRABLE' || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END END)
        END
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
        LEFT JOIN pg_catalog.pg_tablespace AS s ON s.oid = c.reltablespace
        LEFT JOIN pg_catalog.pg_constraint AS k ON k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
        LEFT JOIN dbperf.like_indexes(v_relation, backfill_work.leaf) AS l ON l.index = i.indexrelid
        WHERE i.indrelid = v_relation
          AND (l.other_index IS NULL OR k.oid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS o WHERE o.conindid = l.other_index AND o.contype = k.contype))
        ORDER BY i.indexrelid;
    RETURN QUERY
        WITH keys AS (
            SELECT k.*, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition
            FROM pg_catalog.pg_constraint AS k
            WHERE k.conrelid IN (v_relation, backfill_work.leaf) AND k.contype = 'f' AND k.conparentid = 0
        )
        SELECT CASE WHEN o.oid IS NULL THEN pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', backfill_work.leaf, k.conname, k.definition, CASE WHEN k.definition NOT LIKE '% NOT ENFORCED' THEN ' NOT VALID' END)
                    ELSE pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', backfill_work.leaf, o.conname) END
        FROM keys AS k
        LEFT JOIN keys AS o ON o.conrelid = backfill_work.leaf AND o.definition = k.definition
        WHERE k.conrelid = v_relation AND (o.oid IS NULL OR k.convalidated AND NOT o.convalidated)
        ORDER BY k.oid;
    RETURN QUERY SELECT pg_catalog.format('SELECT dbperf.backfill_attach(%L)', backfill_work.leaf) WHERE v_relation IS NOT NULL;
END
$$;

COMMENT ON FUNCTION dbperf.backfill_work(regclass) IS
    'Statements still to run until a table that is being filled is a partition, in order, each for a transaction of its own: indexes and unique keys as the partitioned table has them, foreign keys NOT VALID, then validated as one join each, then it is attached. Locks: none; the statements: SHARE or less on that table while they read it, SHARE ROW EXCLUSIVE on it and a referenced table for a moment, and as dbperf.backfill_attach().';
