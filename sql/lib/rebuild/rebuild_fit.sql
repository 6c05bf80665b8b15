CREATE OR REPLACE FUNCTION dbperf.rebuild_fit(source regclass, target regclass, source_columns name[], target_columns name[])
RETURNS TABLE (name name, condition text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    RETURN QUERY
        WITH pairs AS (
            SELECT t.attname AS column_name, t.attnum AS number, s.atttypid AS source_type, t.atttypid AS target_type, s.atttypmod AS length, t.atttypmod AS target_length,
                   s.attnotnull AND NOT t.attnotnull AS is_required, pg_catalog.format_type(s.atttypid, s.atttypmod) AS type
            FROM ROWS FROM (pg_catalog.unnest(rebuild_fit.source_columns), pg_catalog.unnest(rebuild_fit.target_columns)) AS u (source_name, target_name)
            JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_fit.source AND s.attname = u.source_name
            JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_fit.target AND t.attname = u.target_name
        ),
        conditions AS (
            SELECT p.column_name, p.number, 1 AS place, pg_catalog.format('%I IS NOT NULL', p.column_name) AS text FROM pairs AS p WHERE p.is_required
            UNION ALL
            SELECT p.column_name, p.number, 2, CASE
                WHEN p.source_type = 'smallint'::regtype AND p.target_type IN ('integer'::regtype, 'bigint'::regtype) THEN pg_catalog.format('%I BETWEEN -32768 AND 32767', p.column_name)
                WHEN p.source_type = 'integer'::regtype AND p.target_type = 'bigint'::regtype THEN pg_catalog.format('%I BETWEEN -2147483648 AND 2147483647', p.column_name)
                -- as far as rounding leaves it below the limit; numeric has NaN, but with a precision no infinity
                WHEN p.source_type = 'numeric'::regtype AND p.length >= 4 AND p.target_type IN ('double precision'::regtype, 'real'::regtype)
                    THEN pg_catalog.format('(%1$I > -%2$s AND %1$I < %2$s OR %1$I = ''NaN'')', p.column_name, l.bound)
                -- the cast would cut it; its length is in letters
                WHEN p.source_type IN ('character varying'::regtype, 'character'::regtype)
                    THEN CASE WHEN p.length >= 4 THEN pg_catalog.format('pg_catalog.char_length(%I::text) <= %s', p.column_name, p.length - 4) END
                -- the cast itself refuses it, saying why
                ELSE pg_catalog.format('(%1$I::%2$s IS NULL) = (%1$I IS NULL)', p.column_name, p.type)
            END
            FROM pairs AS p
            CROSS JOIN LATERAL ( -- 10^(precision - scale) - 0.5 * 10^-scale; a scale is eleven bits, of which it can be negative
                SELECT (10::numeric ^ ((((p.length - 4) >> 16) & 65535) - (((p.length - 4) & 2047) # 1024) + 1024) - 0.5 * 10::numeric ^ -((((p.length - 4) & 2047) # 1024) - 1024))::text AS bound
            ) AS l
            WHERE (p.source_type, p.length) <> (p.target_type, p.target_length)
              AND NOT (p.target_type = p.source_type AND p.length < 0) -- of the same type, without a limit
        )
        SELECT CASE WHEN pg_catalog.octet_length(c.column_name::text) <= 51 THEN 'dbperf_fits_' || c.column_name ELSE pg_catalog.format('dbperf_fits_%s_%s', dbperf.cut_name(c.column_name, 40), pg_catalog.min(c.number)) END::name, pg_catalog.string_agg(c.text, ' AND ' ORDER BY c.place)
        FROM conditions AS c WHERE c.text IS NOT NULL
        GROUP BY c.column_name;
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_fit(regclass, regclass, name[], name[]) IS
    'Conditions under which a row of the target can go back to the source: constraints of the target until the rebuild is finalized. Locks: none.';
