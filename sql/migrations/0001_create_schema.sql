-- Schema dbperf, and what dbperf remembers about this database.
-- bootstrap: true
CREATE SCHEMA dbperf;

COMMENT ON SCHEMA dbperf IS
    'dbperf: what keeps this trading database fast and hard to lose data from. Made by dbperf migrate, removed by dbperf rollback --to 0000.';

CREATE TABLE dbperf.installation (
    only_row boolean DEFAULT true NOT NULL,
    yoyo_schema name NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (only_row),
    CONSTRAINT installation_has_one_row CHECK (only_row)
);

COMMENT ON TABLE dbperf.installation IS 'Facts about this installation; one row.';

COMMENT ON COLUMN dbperf.installation.only_row IS 'Always true: keeps the table at one row.';

COMMENT ON COLUMN dbperf.installation.yoyo_schema IS
    'Schema that holds the _yoyo_* tables: the current schema of the role that migrated first.';

CREATE TABLE dbperf.migration (
    id text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone,
    applied_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT migration_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE dbperf.migration IS
    'Migrations with the checksum of their content, which yoyo does not keep; written in the transaction that tells yoyo.';

COMMENT ON COLUMN dbperf.migration.id IS 'File name without extension, as in _yoyo_migration.migration_id.';

COMMENT ON COLUMN dbperf.migration.checksum IS
    'SHA-256 of the migration and its rollback, comments and white space normalised.';

COMMENT ON COLUMN dbperf.migration.applied_at IS
    'When it was complete. NULL while it is being applied or rolled back, and after that was interrupted: yoyo then calls it unapplied, migrate completes it, rollback undoes it.';

COMMENT ON COLUMN dbperf.migration.applied_by IS 'Role that ran it.';

CREATE TABLE dbperf.library (
    name name NOT NULL,
    source_checksum text NOT NULL,
    definition_checksum text NOT NULL,
    CONSTRAINT library_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE dbperf.library IS 'Routines and views of sql/lib that are installed here, to find drift.';

COMMENT ON COLUMN dbperf.library.name IS 'Name of the routine or view in schema dbperf: one file, one name.';

COMMENT ON COLUMN dbperf.library.source_checksum IS 'SHA-256 of the file it was installed from.';

COMMENT ON COLUMN dbperf.library.definition_checksum IS
    'MD5 of the definition that the server gave back then: another one now was made behind the back.';

CREATE TABLE dbperf.trading_table (
    name name NOT NULL,
    relation regclass NOT NULL,
    adopted boolean NOT NULL,
    CONSTRAINT trading_table_pkey PRIMARY KEY (name),
    CONSTRAINT trading_table_relation_key UNIQUE (relation)
);

COMMENT ON TABLE dbperf.trading_table IS 'The trading tables that dbperf looks after.';

COMMENT ON COLUMN dbperf.trading_table.name IS 'Role in the trading schema: instruments, alert_rules, market_data, alert_logs.';

COMMENT ON COLUMN dbperf.trading_table.relation IS 'The table itself.';

COMMENT ON COLUMN dbperf.trading_table.adopted IS
    'True if it was there before dbperf: a rollback then forgets it and never drops it.';

CREATE TABLE dbperf.index_change (
    relation regclass NOT NULL,
    index_name name NOT NULL,
    change text NOT NULL,
    columns name[] NOT NULL,
    definition text,
    options text[],
    tablespace name,
    comment text,
    clustered boolean DEFAULT false NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT index_change_pkey PRIMARY KEY (relation, index_name),
    CONSTRAINT index_change_is_known CHECK (change IN ('created', 'retired'))
);

COMMENT ON TABLE dbperf.index_change IS
    'Indexes of trading tables that a migration creates or retires, written before it does so; a rollback puts them back from here.';

COMMENT ON COLUMN dbperf.index_change.relation IS 'The table.';

COMMENT ON COLUMN dbperf.index_change.index_name IS 'Name of the index; its schema is the table''s.';

COMMENT ON COLUMN dbperf.index_change.change IS 'created or retired.';

COMMENT ON COLUMN dbperf.index_change.columns IS 'Key columns in order.';

COMMENT ON COLUMN dbperf.index_change.definition IS 'pg_get_indexdef() of a retired index, for readers; NULL for a created one.';

COMMENT ON COLUMN dbperf.index_change.options IS 'Storage parameters of a retired index, such as fillfactor=70.';

COMMENT ON COLUMN dbperf.index_change.tablespace IS 'Tablespace of a retired index; NULL for the database''s default.';

COMMENT ON COLUMN dbperf.index_change.comment IS 'COMMENT ON INDEX of a retired index.';

COMMENT ON COLUMN dbperf.index_change.clustered IS 'Whether the table was last clustered on the retired index.';

COMMENT ON COLUMN dbperf.index_change.recorded_at IS 'When it was decided.';
