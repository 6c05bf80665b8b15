CREATE OR REPLACE FUNCTION dbperf.content_hash(relation regclass)
RETURNS TABLE (rows bigint, hash text)
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
-- the text of a value must not depend on the session
SET timezone = 'UTC'
SET datestyle = 'ISO, MDY'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET quote_all_identifiers = off
SET xmlbinary = 'base64'
SET row_security = off -- what a policy hides is content too
AS $$
DECLARE
    v_columns text;
    v_marks text;
BEGIN
    -- by name: the order of columns is no content
    SELECT pg_catalog.string_agg(pg_catalog.format('r.%I', a.attname), ', ' ORDER BY a.attname COLLATE "C") INTO v_columns
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = content_hash.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname NOT IN ('deleted_at', 'deleted_batch');
    -- a live row has the hash that it had before it could be marked
    SELECT coalesce(pg_catalog.string_agg(pg_catalog.format(' || coalesce(%L || r.%I::text, '''')', a.attname || ' ', a.attname), '' ORDER BY a.attname), '') INTO v_marks
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = content_hash.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname IN ('deleted_at', 'deleted_batch');

    -- sums, not XOR: a row that is there twice must count twice; MD5, because hashtext() may change between versions
    RETURN QUERY EXECUTE pg_catalog.format(
        'SELECT count(*), pg_catalog.md5(pg_catalog.concat_ws('','', count(*), sum((''x'' || pg_catalog.left(h.row, 16))::bit(64)::bigint), '
        'sum((''x'' || pg_catalog.right(h.row, 16))::bit(64)::bigint))) '
        'FROM (SELECT pg_catalog.md5(ROW(%s)::text%s) AS row FROM %s AS r OFFSET 0) AS h',
        v_columns, v_marks, content_hash.relation
    );
END
$$;

COMMENT ON FUNCTION dbperf.content_hash(regclass) IS
    'Number of rows and a hash of their content, deleted ones included: the same for the same rows in any order, on any server version and with any settings, whatever the order of the columns. Values are hashed as text: numeric 1.50 is not 1.5. Locks: ACCESS SHARE on the table.';
