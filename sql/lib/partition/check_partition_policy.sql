CREATE OR REPLACE FUNCTION dbperf.check_partition_policy()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key record;
    v_leaves bigint;
    v_newest bigint;
    v_now bigint;
BEGIN
    SELECT k.* INTO v_key FROM dbperf.partition_key(NEW.relation) AS k;
    IF NOT FOUND OR (SELECT c.relispartition FROM pg_catalog.pg_class AS c WHERE c.oid = NEW.relation) THEN
        RAISE EXCEPTION '% is not partitioned by range of one column, or a partition itself', NEW.relation
            USING ERRCODE = 'wrong_object_type', HINT = 'A policy needs PARTITION BY RANGE (a date, timestamp, timestamptz, bigint or uuid column).';
    END IF;
    IF v_key.type <> 'bigint'::regtype THEN
        NEW.encoding := v_key.encoding;
    END IF;
    IF NEW.encoding IS NULL OR (v_key.type = 'bigint'::regtype) <> (NEW.encoding IN ('s', 'ms', 'us', 'ns')) THEN
        RAISE EXCEPTION 'the policy does not say what a % in % stands for', v_key.type, pg_catalog.quote_ident(v_key.column_name)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Set encoding to s, ms, us or ns since 1970 for a bigint; other types than date, timestamp, timestamptz, bigint and uuid (version 7) have none.';
    END IF;
    IF v_key.type = 'bigint'::regtype THEN
        -- encodings differ by a factor of 1,000, and no table is 30 times as old as 1970
        SELECT pg_catalog.max(r.bounds[2]::bigint) INTO v_newest
        FROM pg_catalog.pg_inherits AS i CROSS JOIN LATERAL dbperf.partition_range(i.inhrelid) AS r (bounds)
        WHERE i.inhparent = NEW.relation;
        v_now := dbperf.partition_value(NEW.encoding, dbperf.utc_now());
        IF v_newest > 0 AND v_newest NOT BETWEEN v_now / 30 AND v_now::numeric * 30 THEN
            RAISE EXCEPTION 'the newest partition of % ends at %, which is no time in %', NEW.relation, v_newest, NEW.encoding
                USING ERRCODE = 'invalid_parameter_value', DETAIL = pg_catalog.format('Now is %s.', v_now), HINT = 'Set encoding to what the partitions have: s, ms, us or ns since 1970.';
        END IF;
    END IF;
    IF NEW.encoding = 'date' AND extract(hour FROM NEW.every) > 0 THEN
        RAISE EXCEPTION 'partitions of % by date cannot be shorter than a day', NEW.relation USING ERRCODE = 'invalid_parameter_value', HINT = 'Make every at least 1 day.';
    END IF;
    IF NEW.id_column IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = NEW.relation AND a.attname = NEW.id_column AND a.attnum > 0 AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype)
    ) THEN
        RAISE EXCEPTION '% has no integer column %', NEW.relation, pg_catalog.quote_ident(NEW.id_column) USING ERRCODE = 'undefined_column', HINT = 'id_column is what rows are looked up by; leave it out if there is none.';
    END IF;

    IF NEW.template IS NOT NULL AND NOT EXISTS ( -- whoever owns it decides what runs in every partition
        SELECT FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_class AS c ON c.oid = NEW.relation
        WHERE t.oid = NEW.template AND t.relkind = 'r' AND t.relowner = c.relowner
    ) THEN
        RAISE EXCEPTION '% is no template for %', NEW.template, NEW.relation
            USING ERRCODE = 'wrong_object_type', HINT = 'A template is an ordinary table of the same owner: SELECT dbperf.make_template() makes one.';
    END IF;

    IF NEW.every <= '0' OR NOT pg_catalog.isfinite(NEW.every) OR NOT pg_catalog.isfinite(greatest(NEW.retain, NEW.max_behind) + NEW.max_ahead) THEN
        RETURN NEW; -- a CHECK refuses it, and says so better than a division by zero
    END IF;
    -- as many as the policy can lead to; and those that are there, which nothing takes away
    v_leaves := pg_catalog.ceil(extract(epoch FROM greatest(NEW.retain, NEW.max_behind) + NEW.max_ahead) / extract(epoch FROM NEW.every)) + 1;
    v_leaves := greatest(v_leaves, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = NEW.relation));
    IF v_leaves > dbperf.partition_capacity(NEW.relation) THEN
        RAISE EXCEPTION 'this policy of % may lead to % partitions: a query without a time could fill the server''s lock table', NEW.relation, v_leaves
            USING ERRCODE = 'program_limit_exceeded',
                  DETAIL = pg_catalog.format('It holds at most %s of them and their indexes.', dbperf.partition_capacity(NEW.relation)),
                  HINT = 'Make every longer, max_ahead, max_behind or retain shorter, or raise max_locks_per_transaction.';
    END IF;
    NEW.changed_at := pg_catalog.now();
    NEW.changed_by := SESSION_USER;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION dbperf.check_partition_policy() IS
    'Trigger, BEFORE INSERT OR UPDATE of dbperf.partition_policy: refuses what its CHECKs cannot see: tables partitioned otherwise, an encoding that the key or its partitions do not have, more partitions than the lock table carries (54000). Locks: none.';
