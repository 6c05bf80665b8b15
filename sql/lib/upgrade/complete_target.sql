CREATE OR REPLACE FUNCTION dbperf.complete_target(live regclass, target regclass, accept text[], without text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    v_piece record;
    v_reason text;
BEGIN
    SELECT pg_catalog.string_agg(k.conname, ', ' ORDER BY k.conname) INTO v_reason
    FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = complete_target.live AND k.contype IN ('c', 'n') AND NOT k.convalidated;
    IF v_reason IS NOT NULL THEN
        RAISE EXCEPTION 'constraints of % were never validated: %', complete_target.live, v_reason
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Validate them, or drop them: rows that break them would not be accepted by the table that it is to become. Nothing was changed.';
    END IF;
    FOR v_piece IN
        SELECT s.what, s.statement FROM (
            -- what an adopted table has beyond those of the application, and the marks of soft delete
            SELECT 1 AS place, a.attnum AS number, pg_catalog.format('column %I', a.attname) AS what, pg_catalog.format('ALTER TABLE %s ADD COLUMN %I %s%s%s', complete_target.target, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                (SELECT pg_catalog.format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_catalog.pg_collation AS l JOIN pg_catalog.pg_namespace AS n ON n.oid = l.collnamespace JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid WHERE l.oid = a.attcollation AND a.attcollation <> y.typcollation),
                CASE WHEN a.attgenerated <> '' THEN pg_catalog.format(' GENERATED ALWAYS AS (%s) %s', pg_catalog.pg_get_expr(f.adbin, f.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) WHEN a.attnotnull THEN ' NOT NULL' END) AS statement
            FROM pg_catalog.pg_attribute AS a
            LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
            WHERE a.attrelid = complete_target.live AND a.attnum > 0 AND NOT a.attisdropped
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS t WHERE t.attrelid = complete_target.target AND t.attname = a.attname AND NOT t.attisdropped)
            UNION ALL -- as numbers came
            SELECT 1, a.attnum, pg_catalog.format('column %I', a.attname), pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY', complete_target.target, a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END)
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = complete_target.live AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity <> ''
            UNION ALL -- settled money stays what it is
            SELECT 2, a.attnum, pg_catalog.format('column %I', a.attname), pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', complete_target.target, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod))
            FROM dbperf.settled_column AS c
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.relation AND a.attname = c.column_name
            WHERE c.relation = complete_target.live
            UNION ALL -- partitions have it from the whole
            SELECT 3, 0, pg_catalog.format('constraint %I', k.conname), pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', complete_target.target, k.conname, pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), '( NO INHERIT)?( NOT VALID)?$', ''))
            FROM pg_catalog.pg_constraint AS k
            WHERE k.conrelid = complete_target.live AND k.contype IN ('f', 'c') AND k.conparentid = 0 AND k.conname NOT LIKE 'dbperf\_fits\_%'
            UNION ALL
            SELECT 4, 0, pg_catalog.format('%sindex %s', CASE WHEN i.indisunique THEN 'unique ' END, i.indexrelid::regclass), pg_catalog.format('CREATE %sINDEX ON %s %s', CASE WHEN i.indisunique AND ('unique' <> ALL (complete_target.accept) OR b.can_be_unique) THEN 'UNIQUE ' END, complete_target.target, pg_catalog.regexp_replace(dbperf.index_definition(i.indexrelid), '^UNIQUE ', ''))
            FROM pg_catalog.pg_index AS i
            CROSS JOIN LATERAL (
                SELECT EXISTS (
                    SELECT FROM pg_catalog.pg_partitioned_table AS p
                    JOIN pg_catalog.pg_attribute AS t ON t.attrelid = p.partrelid AND t.attnum = (p.partattrs::smallint[])[0]
                    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = t.attname AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                    WHERE p.partrelid = complete_target.target
                )
            ) AS b (can_be_unique)
            WHERE i.indrelid = complete_target.live AND NOT i.indisprimary AND i.indisvalid AND dbperf.index_definition(i.indexrelid) <> ALL (complete_target.without)
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype = 'x')
        ) AS s
        ORDER BY s.place, s.number, s.statement
    LOOP
        BEGIN
            EXECUTE v_piece.statement;
        EXCEPTION WHEN syntax_error_or_access_rule_violation OR feature_not_supported OR data_exception THEN
            GET STACKED DIAGNOSTICS v_reason = MESSAGE_TEXT;
            RAISE EXCEPTION '% of % cannot be made on the table that it is to become: %', v_piece.what, complete_target.live, v_reason
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = CASE WHEN v_piece.what LIKE 'unique %' AND 'unique' <> ALL (complete_target.accept) THEN 'Drop it, or accept kind unique: then it is an index that is not unique. Nothing was changed.' ELSE 'Drop it, or change it. Nothing was changed.' END;
        END;
    END LOOP;
END
$$;

COMMENT ON FUNCTION dbperf.complete_target(regclass, regclass, text[], text[]) IS
    'Gives an empty table what the one that it is to replace has beyond its own: columns, the type of settled money, foreign keys and checks, indexes, without those of these definitions. Where unique is accepted, unique indexes without the column of the partitions become ordinary ones. Raises 55000, naming what it cannot be given. Locks: ACCESS EXCLUSIVE on it, SHARE ROW EXCLUSIVE on the tables that it references.';
