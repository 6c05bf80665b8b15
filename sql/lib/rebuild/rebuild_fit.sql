CREATE OR REPLACE FUNCTION dbperf.rebuild_fit(source regclass, target regclass, source_columns name[], target_columns name[])
RETURNS TABLE (name name, condition text)
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
        SELECT dbperf.cut_name('dbperf_fits_' || t.attname, 63)::name, CASE
            WHEN s.atttypid = 'smallint'::regtype THEN pg_catalog.format('%I BETWEEN -32768 AND 32767', t.attname)
            WHEN s.atttypid = 'integer'::regtype THEN pg_catalog.format('%I BETWEEN -2147483648 AND 2147483647', t.attname)
            -- as far as rounding leaves it below the limit; numeric has NaN, but with a precision no infinity
            ELSE pg_catalog.format('%1$I > -%2$s AND %1$I < %2$s OR %1$I = ''NaN''', t.attname, l.bound)
        END
        FROM ROWS FROM (pg_catalog.unnest(rebuild_fit.source_columns), pg_catalog.unnest(rebuild_fit.target_columns)) AS u (source_name, target_name)
        JOIN pg_catalog.pg_attribute AS s ON s.attrelid = rebuild_fit.source AND s.attname = u.source_name
        JOIN pg_catalog.pg_attribute AS t ON t.attrelid = rebuild_fit.target AND t.attname = u.target_name
        CROSS JOIN LATERAL ( -- 10^(precision - scale) - 0.5 * 10^-scale
            SELECT (10::numeric ^ ((((s.atttypmod - 4) >> 16) & 65535) - ((s.atttypmod - 4) & 2047)) - 0.5 * 10::numeric ^ -((s.atttypmod - 4) & 2047))::text AS bound
        ) AS l
        WHERE s.atttypid <> t.atttypid AND (
            s.atttypid = 'smallint'::regtype AND t.atttypid IN ('integer'::regtype, 'bigint'::regtype)
            OR s.atttypid = 'integer'::regtype AND t.atttypid = 'bigint'::regtype
            OR s.atttypid = 'numeric'::regtype AND s.atttypmod >= 4 AND t.atttypid IN ('double precision'::regtype, 'real'::regtype)
        );
END
$$;

COMMENT ON FUNCTION dbperf.rebuild_fit(regclass, regclass, name[], name[]) IS
    'Conditions under which a row of the target can go back to the source: constraints of the target until the rebuild is finalized. Locks: none.';
