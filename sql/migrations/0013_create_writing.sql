-- What writing remembers: batches that were stored, rows that could not be, history that is being filled in. Touches no table of anybody else.
-- IF NOT EXISTS: what stock yoyo alone applied is applied again by dbperf repair and migrate.
-- bootstrap: true
-- depends: 0010_create_rebuild
CREATE TABLE IF NOT EXISTS dbperf.batch_ledger (
    batch_id text NOT NULL,
    target text NOT NULL,
    content_hash text,
    rows bigint,
    inserted bigint,
    updated bigint,
    ignored bigint,
    quarantined bigint,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    written_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT batch_ledger_pkey PRIMARY KEY (batch_id),
    CONSTRAINT batch_ledger_counts_every_row CHECK (rows = inserted + updated + ignored + quarantined)
);

COMMENT ON TABLE dbperf.batch_ledger IS
    'Batches that were stored, each written in the transaction that stored it: the same batch again is known. Kept for ever; DELETE what can never come again.';

COMMENT ON COLUMN dbperf.batch_ledger.batch_id IS 'Name that the writer gave it.';

COMMENT ON COLUMN dbperf.batch_ledger.target IS 'Table it was for, schema first, as it was called then: a rebuild makes another table of the same name.';

COMMENT ON COLUMN dbperf.batch_ledger.content_hash IS 'Hash of what it holds, chosen by the writer; NULL only within the transaction that writes it.';

COMMENT ON COLUMN dbperf.batch_ledger.rows IS 'Rows it has.';

COMMENT ON COLUMN dbperf.batch_ledger.inserted IS 'Rows that were new.';

COMMENT ON COLUMN dbperf.batch_ledger.updated IS 'Rows that changed one that was there.';

COMMENT ON COLUMN dbperf.batch_ledger.ignored IS 'Rows that were left out, because their key was there already or a trigger said so.';

COMMENT ON COLUMN dbperf.batch_ledger.quarantined IS 'Bad rows, in dbperf.quarantine.';

COMMENT ON COLUMN dbperf.batch_ledger.written_at IS 'When its transaction began.';

COMMENT ON COLUMN dbperf.batch_ledger.written_by IS 'Role that logged in.';

CREATE TABLE IF NOT EXISTS dbperf.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    target text NOT NULL,
    batch_id text,
    row_number bigint NOT NULL,
    sqlstate text NOT NULL,
    reason text NOT NULL,
    column_name text,
    constraint_name text,
    row_data jsonb NOT NULL,
    quarantined_at timestamp with time zone DEFAULT now() NOT NULL,
    quarantined_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT quarantine_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE dbperf.quarantine IS
    'Rows that a batch could not store, written in the transaction that stored the others. Nothing removes them by itself: mend and write them again, then DELETE them here.';

COMMENT ON COLUMN dbperf.quarantine.id IS 'In the order in which they were found.';

COMMENT ON COLUMN dbperf.quarantine.target IS 'Table it was for, schema first.';

COMMENT ON COLUMN dbperf.quarantine.batch_id IS 'Its batch in dbperf.batch_ledger, if that has a name.';

COMMENT ON COLUMN dbperf.quarantine.row_number IS 'Its place in the batch, from 1.';

COMMENT ON COLUMN dbperf.quarantine.sqlstate IS 'Why, for programs: the server''s code; 22000 for a value that the client could not send.';

COMMENT ON COLUMN dbperf.quarantine.reason IS 'Why, for people.';

COMMENT ON COLUMN dbperf.quarantine.column_name IS 'Column that is wrong, if only one is.';

COMMENT ON COLUMN dbperf.quarantine.constraint_name IS 'Constraint that it breaks.';

COMMENT ON COLUMN dbperf.quarantine.row_data IS 'The row as the writer had it.';

COMMENT ON COLUMN dbperf.quarantine.quarantined_at IS 'When its transaction began.';

COMMENT ON COLUMN dbperf.quarantine.quarantined_by IS 'Role that logged in.';

COMMENT ON SEQUENCE dbperf.quarantine_id_seq IS 'Numbers the rows of dbperf.quarantine.';

CREATE TABLE IF NOT EXISTS dbperf.backfill (
    id integer GENERATED ALWAYS AS IDENTITY,
    relation regclass NOT NULL,
    leaf regclass NOT NULL,
    load_table regclass NOT NULL,
    lower timestamp without time zone NOT NULL,
    upper timestamp without time zone NOT NULL,
    state text DEFAULT 'loading' NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    started_by name DEFAULT SESSION_USER NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT backfill_pkey PRIMARY KEY (id),
    CONSTRAINT backfill_state_is_known CHECK (state IN ('loading', 'attached', 'aborted')),
    CONSTRAINT backfill_ends_once CHECK ((state = 'loading') = (ended_at IS NULL)),
    CONSTRAINT backfill_is_an_interval CHECK (lower < upper)
);

CREATE UNIQUE INDEX IF NOT EXISTS backfill_leaf_idx ON dbperf.backfill (leaf) WHERE ended_at IS NULL;

CREATE INDEX IF NOT EXISTS backfill_relation_idx ON dbperf.backfill (relation);

COMMENT ON TABLE dbperf.backfill IS
    'Partitions that are, or were, filled before they became partitions. See dbperf.backfill_start().';

COMMENT ON SEQUENCE dbperf.backfill_id_seq IS 'Numbers the rows of dbperf.backfill.';

COMMENT ON COLUMN dbperf.backfill.id IS 'In the order in which they were started.';

COMMENT ON COLUMN dbperf.backfill.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.backfill.leaf IS 'The table that is filled, and becomes its partition.';

COMMENT ON COLUMN dbperf.backfill.load_table IS 'Where rows are written to: it hands them on to all leaves of the table that are being filled.';

COMMENT ON COLUMN dbperf.backfill.lower IS 'Where the leaf begins, in UTC, inclusive.';

COMMENT ON COLUMN dbperf.backfill.upper IS 'Where it ends, in UTC, exclusive.';

COMMENT ON COLUMN dbperf.backfill.state IS 'loading: nobody sees its rows. attached: it is a partition. aborted: it was dropped.';

COMMENT ON COLUMN dbperf.backfill.started_at IS 'When it began.';

COMMENT ON COLUMN dbperf.backfill.started_by IS 'Role that began it.';

COMMENT ON COLUMN dbperf.backfill.ended_at IS 'When it was attached or aborted.';
