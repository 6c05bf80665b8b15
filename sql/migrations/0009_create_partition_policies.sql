-- Which partitions there have to be, what was done about it, and what closed ones hold. Touches no table of anybody else.
-- IF NOT EXISTS: what stock yoyo alone applied is applied again by dbperf repair and migrate.
-- bootstrap: true
-- depends: 0008_enable_soft_delete
CREATE TABLE IF NOT EXISTS dbperf.partition_policy (
    relation regclass NOT NULL,
    every interval NOT NULL,
    ahead interval NOT NULL,
    max_ahead interval NOT NULL,
    max_behind interval NOT NULL,
    encoding text NOT NULL,
    id_column name,
    template regclass,
    retain interval,
    retain_bytes bigint,
    paused boolean DEFAULT false NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    changed_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT partition_policy_pkey PRIMARY KEY (relation),
    CONSTRAINT partition_policy_every_has_one_unit CHECK (
        CASE
            WHEN extract(year FROM every) * 12 + extract(month FROM every) > 0
                THEN extract(year FROM every) * 12 + extract(month FROM every) IN (1, 2, 3, 4, 6, 12)
                     AND extract(day FROM every) = 0 AND extract(hour FROM every) = 0
            WHEN extract(day FROM every) > 0
                THEN extract(day FROM every) <= 366 AND extract(hour FROM every) = 0 AND extract(month FROM every) = 0
            ELSE extract(hour FROM every) IN (1, 2, 3, 4, 6, 8, 12) AND extract(day FROM every) = 0 AND extract(month FROM every) = 0
        END
        AND extract(minute FROM every) = 0 AND extract(second FROM every) = 0 AND every > '0'
    ),
    CONSTRAINT partition_policy_ahead_is_an_interval_or_more CHECK (ahead >= every),
    CONSTRAINT partition_policy_max_ahead_reaches_ahead CHECK (max_ahead >= ahead),
    CONSTRAINT partition_policy_max_behind_is_not_negative CHECK (max_behind >= '0'),
    CONSTRAINT partition_policy_bounds_are_less_than_200_years CHECK (max_ahead < '200 years' AND max_behind < '200 years'),
    CONSTRAINT partition_policy_encoding_is_known CHECK (encoding IN ('date', 'timestamp', 'timestamptz', 's', 'ms', 'us', 'ns', 'uuidv7')),
    CONSTRAINT partition_policy_template_is_another_table CHECK (template <> relation),
    CONSTRAINT partition_policy_retain_exceeds_max_behind CHECK (retain > max_behind),
    CONSTRAINT partition_policy_retain_bytes_is_positive CHECK (retain_bytes > 0)
);

SELECT dbperf.ensure_trigger(
    'dbperf.partition_policy', 'partition_policy_check',
    'CREATE TRIGGER partition_policy_check BEFORE INSERT OR UPDATE ON dbperf.partition_policy FOR EACH ROW EXECUTE FUNCTION dbperf.check_partition_policy()'
);

COMMENT ON TABLE dbperf.partition_policy IS
    'Tables whose partitions dbperf.maintain() makes, and how; edited with INSERT, UPDATE and DELETE. All times are UTC.';

COMMENT ON COLUMN dbperf.partition_policy.relation IS 'A table that is partitioned by range of one column.';

COMMENT ON COLUMN dbperf.partition_policy.every IS
    'Length of a partition: 1, 2, 3, 4, 6, 8 or 12 hours; 1 to 366 days; 1, 2, 3, 4, 6 or 12 months. Months begin with the year, weeks (7 days) on Monday.';

COMMENT ON COLUMN dbperf.partition_policy.ahead IS 'How far ahead of now there have to be partitions.';

COMMENT ON COLUMN dbperf.partition_policy.max_ahead IS 'A row may be this far ahead of now: dbperf.ensure_partition() makes no partition beyond.';

COMMENT ON COLUMN dbperf.partition_policy.max_behind IS 'A row may be this late. A partition that ended longer ago is closed.';

COMMENT ON COLUMN dbperf.partition_policy.encoding IS
    'What a key stands for: date, timestamp (UTC), timestamptz, uuidv7, found by itself; s, ms, us, ns since 1970 for a bigint.';

COMMENT ON COLUMN dbperf.partition_policy.id_column IS 'Integer column whose range is recorded for closed partitions; NULL for none.';

COMMENT ON COLUMN dbperf.partition_policy.template IS
    'Table whose storage parameters, statistics targets, privileges, row security and triggers every partition gets; NULL for none. See dbperf.make_template().';

COMMENT ON COLUMN dbperf.partition_policy.retain IS 'How long rows are kept before their partition is archived; NULL for ever. Longer than max_behind.';

COMMENT ON COLUMN dbperf.partition_policy.retain_bytes IS 'Size beyond which the oldest partitions are archived; NULL for no limit.';

COMMENT ON COLUMN dbperf.partition_policy.paused IS 'True to make dbperf.maintain() leave the table alone.';

COMMENT ON COLUMN dbperf.partition_policy.changed_at IS 'When the policy was last written.';

COMMENT ON COLUMN dbperf.partition_policy.changed_by IS 'Role that wrote it.';

CREATE TABLE IF NOT EXISTS dbperf.maintenance_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    relation regclass NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    run_by name DEFAULT SESSION_USER NOT NULL,
    pid integer DEFAULT pg_backend_pid() NOT NULL,
    created integer NOT NULL,
    closed integer NOT NULL,
    changed integer NOT NULL,
    sqlstate text,
    message text,
    hint text,
    CONSTRAINT maintenance_log_pkey PRIMARY KEY (id)
);

CREATE INDEX IF NOT EXISTS maintenance_log_relation_id_idx ON dbperf.maintenance_log (relation, id);

COMMENT ON TABLE dbperf.maintenance_log IS 'What dbperf.maintain() did: a row for each table and run.';

COMMENT ON SEQUENCE dbperf.maintenance_log_id_seq IS 'Numbers the rows of dbperf.maintenance_log.';

COMMENT ON COLUMN dbperf.maintenance_log.id IS 'In the order in which they finished.';

COMMENT ON COLUMN dbperf.maintenance_log.relation IS 'The table.';

COMMENT ON COLUMN dbperf.maintenance_log.started_at IS 'When it began with the table.';

COMMENT ON COLUMN dbperf.maintenance_log.finished_at IS 'When it was done with it.';

COMMENT ON COLUMN dbperf.maintenance_log.run_by IS 'Role that logged in.';

COMMENT ON COLUMN dbperf.maintenance_log.pid IS 'Backend that ran it.';

COMMENT ON COLUMN dbperf.maintenance_log.created IS 'Partitions made.';

COMMENT ON COLUMN dbperf.maintenance_log.closed IS 'Partitions recorded as closed.';

COMMENT ON COLUMN dbperf.maintenance_log.changed IS 'Partitions that were made as their template.';

COMMENT ON COLUMN dbperf.maintenance_log.sqlstate IS 'SQLSTATE of what went wrong; NULL if nothing did.';

COMMENT ON COLUMN dbperf.maintenance_log.message IS 'What went wrong.';

COMMENT ON COLUMN dbperf.maintenance_log.hint IS 'The remedy.';

CREATE TABLE IF NOT EXISTS dbperf.closed_partition (
    leaf regclass NOT NULL,
    relation regclass NOT NULL,
    closed_at timestamp with time zone DEFAULT now() NOT NULL,
    rows bigint NOT NULL,
    first_at timestamp without time zone,
    last_at timestamp without time zone,
    first_id bigint,
    last_id bigint,
    CONSTRAINT closed_partition_pkey PRIMARY KEY (leaf)
);

CREATE INDEX IF NOT EXISTS closed_partition_relation_idx ON dbperf.closed_partition (relation);

COMMENT ON TABLE dbperf.closed_partition IS
    'What partitions hold whose time is past. A hint: rows can be changed later; who relies on it looks everywhere if it leads nowhere.';

COMMENT ON COLUMN dbperf.closed_partition.leaf IS 'The partition.';

COMMENT ON COLUMN dbperf.closed_partition.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.closed_partition.closed_at IS 'When it was recorded.';

COMMENT ON COLUMN dbperf.closed_partition.rows IS 'Rows.';

COMMENT ON COLUMN dbperf.closed_partition.first_at IS 'First time in it, UTC.';

COMMENT ON COLUMN dbperf.closed_partition.last_at IS 'Last time in it, UTC.';

COMMENT ON COLUMN dbperf.closed_partition.first_id IS 'Lowest id in it; NULL if the policy names no id column.';

COMMENT ON COLUMN dbperf.closed_partition.last_id IS 'Highest id in it.';
