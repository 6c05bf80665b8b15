-- What a rebuild remembers, so that it survives anything. Touches no table of anybody else.
-- IF NOT EXISTS: what stock yoyo alone applied is applied again by dbperf repair and migrate.
-- bootstrap: true
-- depends: 0009_create_partition_policies
CREATE TABLE IF NOT EXISTS dbperf.rebuild (
    id integer GENERATED ALWAYS AS IDENTITY,
    source regclass NOT NULL,
    target regclass NOT NULL,
    target_name name NOT NULL,
    source_columns name[] NOT NULL,
    target_columns name[] NOT NULL,
    source_key name[] NOT NULL,
    target_key name[] NOT NULL,
    source_references jsonb NOT NULL,
    target_references jsonb NOT NULL,
    translations jsonb DEFAULT '{}' NOT NULL,
    structure text NOT NULL,
    accepted text[] NOT NULL,
    state text DEFAULT 'copying' NOT NULL,
    is_released boolean DEFAULT false NOT NULL,
    is_equipped boolean DEFAULT false NOT NULL,
    is_tidy boolean DEFAULT true NOT NULL,
    estimated_rows bigint NOT NULL,
    copied_rows bigint DEFAULT 0 NOT NULL,
    copied_to text[],
    is_backfilled boolean DEFAULT false NOT NULL,
    copying_took interval DEFAULT '0' NOT NULL,
    copied_at timestamp with time zone,
    applied_changes bigint DEFAULT 0 NOT NULL,
    verified_at timestamp with time zone,
    verified_rows bigint,
    differences bigint,
    swapped_at timestamp with time zone,
    swapped_xid xid8,
    afterwards text[] DEFAULT '{}' NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    started_by name DEFAULT SESSION_USER NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT rebuild_pkey PRIMARY KEY (id),
    CONSTRAINT rebuild_state_is_known CHECK (state IN ('copying', 'cut over', 'finalized', 'aborted')),
    CONSTRAINT rebuild_ends_once CHECK ((state IN ('finalized', 'aborted')) = (ended_at IS NOT NULL)),
    CONSTRAINT rebuild_is_copied_before_it_is_cut_over CHECK (state IN ('copying', 'aborted') OR copied_at IS NOT NULL),
    CONSTRAINT rebuild_columns_are_pairs CHECK (cardinality(source_columns) = cardinality(target_columns) AND cardinality(source_key) = cardinality(target_key))
);

CREATE UNIQUE INDEX IF NOT EXISTS rebuild_source_idx ON dbperf.rebuild (source) WHERE ended_at IS NULL;

CREATE UNIQUE INDEX IF NOT EXISTS rebuild_target_idx ON dbperf.rebuild (target) WHERE ended_at IS NULL;

COMMENT ON TABLE dbperf.rebuild IS
    'Tables that are, or were, replaced by another one while they were written to. See dbperf.rebuild_start().';

COMMENT ON SEQUENCE dbperf.rebuild_id_seq IS 'Numbers the rows of dbperf.rebuild.';

COMMENT ON COLUMN dbperf.rebuild.id IS 'Number; the change log is dbperf.rebuild_log_<id>.';

COMMENT ON COLUMN dbperf.rebuild.source IS 'The table as it was.';

COMMENT ON COLUMN dbperf.rebuild.target IS 'The table as it is to be.';

COMMENT ON COLUMN dbperf.rebuild.target_name IS 'Name of the target while the source has the name that is used.';

COMMENT ON COLUMN dbperf.rebuild.source_columns IS 'Columns that are copied, of the source.';

COMMENT ON COLUMN dbperf.rebuild.target_columns IS 'The same of the target, in the same order.';

COMMENT ON COLUMN dbperf.rebuild.source_key IS 'Columns of the source''s primary key; the change log has their values.';

COMMENT ON COLUMN dbperf.rebuild.target_key IS 'The same of the target.';

COMMENT ON COLUMN dbperf.rebuild.source_references IS 'Foreign keys that the source has while it is used, as dbperf.rebuild_references() returns them.';

COMMENT ON COLUMN dbperf.rebuild.target_references IS 'The same of the target.';

COMMENT ON COLUMN dbperf.rebuild.translations IS 'How views and policies read on the source and on the target: the server writes other casts where types differ.';

COMMENT ON COLUMN dbperf.rebuild.structure IS 'MD5 of the columns of both: a rebuild does not go on after they were changed.';

COMMENT ON COLUMN dbperf.rebuild.accepted IS 'Kinds of dbperf.rebuild_obstacles() that were accepted.';

COMMENT ON COLUMN dbperf.rebuild.state IS
    'copying: the source is used, the target is filled and kept in step. cut over: the target is used, the source is kept in step. finalized, aborted: over.';

COMMENT ON COLUMN dbperf.rebuild.is_released IS 'Whether the target''s foreign keys were taken away.';

COMMENT ON COLUMN dbperf.rebuild.is_equipped IS 'Whether the target has what the table has: it can be filled.';

COMMENT ON COLUMN dbperf.rebuild.is_tidy IS 'False from a swap until triggers of the table that is not used any more are gone.';

COMMENT ON COLUMN dbperf.rebuild.estimated_rows IS 'Rows of the source when it began, as the planner estimates.';

COMMENT ON COLUMN dbperf.rebuild.copied_rows IS 'Rows that the backfill has read.';

COMMENT ON COLUMN dbperf.rebuild.copied_to IS 'Key up to which it has.';

COMMENT ON COLUMN dbperf.rebuild.is_backfilled IS 'Whether the last batch has been read: what comes after it comes by the log.';

COMMENT ON COLUMN dbperf.rebuild.copying_took IS 'Time that its batches took, without pauses.';

COMMENT ON COLUMN dbperf.rebuild.copied_at IS 'When the backfill was complete.';

COMMENT ON COLUMN dbperf.rebuild.applied_changes IS 'Keys of the change log that were applied.';

COMMENT ON COLUMN dbperf.rebuild.verified_at IS 'When dbperf.rebuild_verify() last ended.';

COMMENT ON COLUMN dbperf.rebuild.verified_rows IS 'Rows that it compared.';

COMMENT ON COLUMN dbperf.rebuild.differences IS 'Differences that it found.';

COMMENT ON COLUMN dbperf.rebuild.swapped_at IS 'When the names were last swapped.';

COMMENT ON COLUMN dbperf.rebuild.swapped_xid IS 'Transaction that did it: writers whose snapshot is older are refused (40001).';

COMMENT ON COLUMN dbperf.rebuild.afterwards IS 'Statements that the swap left to be run while nobody waits.';

COMMENT ON COLUMN dbperf.rebuild.started_at IS 'When it began.';

COMMENT ON COLUMN dbperf.rebuild.started_by IS 'Role that began it.';

COMMENT ON COLUMN dbperf.rebuild.ended_at IS 'When it was finalized or aborted.';
