CREATE OR REPLACE FUNCTION dbperf.adopt_trading_tables(baseline name, target name)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_table record;
    v_found boolean;
    v_difference record;
    v_differences text[] := '{}';
    v_left text[] := '{}';
BEGIN
    IF adopt_trading_tables.target IS NULL THEN
        RAISE EXCEPTION 'the schema for the trading tables does not exist'
            USING ERRCODE = 'invalid_schema_name', HINT = 'Create it, or name another one with --schema.';
    END IF;

    SELECT count(a.oid) > 0 INTO v_found
    FROM pg_catalog.pg_class AS e
    LEFT JOIN pg_catalog.pg_class AS a
        ON a.relname = e.relname AND a.relnamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident(adopt_trading_tables.target))
    WHERE e.relnamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident(adopt_trading_tables.baseline)) AND e.relkind = 'r';

    FOR v_table IN
        SELECT e.oid::regclass AS baseline, e.relname AS name, a.oid::regclass AS relation, a.relkind AS kind,
               pg_catalog.pg_has_role(a.relowner, 'USAGE') AS is_ours
        FROM pg_catalog.pg_class AS e
        LEFT JOIN pg_catalog.pg_class AS a
            ON a.relname = e.relname AND a.relnamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident(adopt_trading_tables.target))
        WHERE e.relnamespace = pg_catalog.to_regnamespace(pg_catalog.quote_ident(adopt_trading_tables.baseline)) AND e.relkind = 'r'
        ORDER BY e.oid
    LOOP
        IF NOT v_found THEN
            EXECUTE pg_catalog.format('ALTER TABLE %s SET SCHEMA %I', v_table.baseline, adopt_trading_tables.target);
            INSERT INTO dbperf.trading_table (name, relation, adopted) VALUES (v_table.name, v_table.baseline, false);
            RAISE NOTICE 'created: empty table %.%', pg_catalog.quote_ident(adopt_trading_tables.target), pg_catalog.quote_ident(v_table.name);
        ELSIF v_table.relation IS NULL THEN
            v_differences := v_differences || pg_catalog.format('table %I.%I is missing', adopt_trading_tables.target, v_table.name);
        ELSIF v_table.kind <> 'r' THEN
            v_differences := v_differences || pg_catalog.format(
                '%s is %s, expected an ordinary table', v_table.relation,
                CASE v_table.kind
                    WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table'
                    WHEN 'p' THEN 'a partitioned table' ELSE 'no table'
                END
            );
        ELSE
            -- nobody may change its columns between the comparison and the end of this transaction
            IF v_table.is_ours THEN
                EXECUTE pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', v_table.relation);
            END IF;
            FOR v_difference IN
                SELECT d.severity, d.message
                FROM dbperf.table_differences(v_table.baseline, v_table.relation) AS d
                ORDER BY d.severity, d.message COLLATE "C"
            LOOP
                IF v_difference.severity = 'difference' THEN
                    v_differences := v_differences || v_difference.message;
                ELSE
                    RAISE NOTICE '%: %', v_difference.severity, v_difference.message;
                END IF;
            END LOOP;
            INSERT INTO dbperf.trading_table (name, relation, adopted) VALUES (v_table.name, v_table.relation, true);
            v_left := v_left || v_table.baseline::text;
        END IF;
    END LOOP;

    IF v_differences <> '{}' THEN
        RAISE EXCEPTION 'the tables in schema % are not the legacy trading tables', pg_catalog.quote_ident(adopt_trading_tables.target)
            USING ERRCODE = 'DP001',
                  DETAIL = pg_catalog.array_to_string(v_differences, '; '),
                  HINT = 'Change them to match, or migrate another schema with --schema. Nothing was changed.';
    END IF;

    IF v_left <> '{}' THEN
        EXECUTE 'DROP TABLE ' || pg_catalog.array_to_string(v_left, ', ');
    END IF;
    EXECUTE pg_catalog.format('DROP SCHEMA %I', adopt_trading_tables.baseline);
END
$$;

COMMENT ON FUNCTION dbperf.adopt_trading_tables(name, name) IS
    'Moves the tables of the baseline schema to the target schema when that has none of them; otherwise compares them with those that are there, raises DP001 with every difference in words, or adopts them and raises a notice for everything that is kept. The baseline schema is gone afterwards. Locks: ACCESS SHARE on adopted tables.';
