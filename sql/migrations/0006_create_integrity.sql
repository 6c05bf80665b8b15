-- What soft delete, purge and the change of foreign keys remember. Touches no table of anybody else.
-- IF NOT EXISTS: what stock yoyo alone applied is applied again by dbperf repair and migrate.
-- bootstrap: true
-- depends: 0002_adopt_trading_tables
CREATE TABLE IF NOT EXISTS dbperf.soft_delete_table (
    relation regclass NOT NULL,
    columns_made boolean NOT NULL,
    hot boolean NOT NULL,
    on_deleted_key text NOT NULL,
    accept_triggers boolean NOT NULL,
    enabled_at timestamp with time zone DEFAULT now() NOT NULL,
    enabled_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT soft_delete_table_pkey PRIMARY KEY (relation),
    CONSTRAINT soft_delete_table_on_deleted_key_is_known CHECK (on_deleted_key IN ('refuse', 'revive'))
);

COMMENT ON TABLE dbperf.soft_delete_table IS 'Tables with soft delete, as dbperf.enable_soft_delete() was asked for it.';

COMMENT ON COLUMN dbperf.soft_delete_table.relation IS 'The table; of a partitioned one, its root.';

COMMENT ON COLUMN dbperf.soft_delete_table.columns_made IS
    'True if dbperf added deleted_at and deleted_batch; it then drops them when soft delete is disabled.';

COMMENT ON COLUMN dbperf.soft_delete_table.hot IS
    'True if no trigger may fire on INSERT: dbperf.verify() then finds new children of deleted parents.';

COMMENT ON COLUMN dbperf.soft_delete_table.on_deleted_key IS
    'What an INSERT that meets a unique key of a deleted row does: refuse (23505) or revive the row. Without meaning on hot tables.';

COMMENT ON COLUMN dbperf.soft_delete_table.accept_triggers IS
    'True if INSERT triggers of a partitioned table may fire again for rows that are deleted.';

COMMENT ON COLUMN dbperf.soft_delete_table.enabled_at IS 'When.';

COMMENT ON COLUMN dbperf.soft_delete_table.enabled_by IS 'Role that did it.';

CREATE TABLE IF NOT EXISTS dbperf.soft_delete_guard (
    guarded regclass NOT NULL,
    name name NOT NULL,
    relation regclass NOT NULL,
    checksum text NOT NULL,
    CONSTRAINT soft_delete_guard_pkey PRIMARY KEY (guarded, name),
    CONSTRAINT soft_delete_guard_relation_fkey FOREIGN KEY (relation) REFERENCES dbperf.soft_delete_table (relation)
);

COMMENT ON TABLE dbperf.soft_delete_guard IS 'Triggers of soft delete as they were made, to find those that were changed since.';

COMMENT ON COLUMN dbperf.soft_delete_guard.guarded IS 'Table that has the trigger: the root or one of its partitions.';

COMMENT ON COLUMN dbperf.soft_delete_guard.name IS 'Name of the trigger.';

COMMENT ON COLUMN dbperf.soft_delete_guard.relation IS 'The table with soft delete.';

COMMENT ON COLUMN dbperf.soft_delete_guard.checksum IS 'MD5 of pg_get_triggerdef() without the table''s name.';

CREATE TABLE IF NOT EXISTS dbperf.deletion (
    batch bigint NOT NULL,
    ordinal integer NOT NULL,
    relation regclass NOT NULL,
    deleted_at timestamp with time zone NOT NULL,
    deleted_by name NOT NULL,
    acting_as name,
    application text NOT NULL,
    client inet,
    reason text,
    cascades boolean DEFAULT false NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    undeleted_at timestamp with time zone,
    undeleted_by name,
    CONSTRAINT deletion_pkey PRIMARY KEY (batch, ordinal)
);

COMMENT ON TABLE dbperf.deletion IS 'Who deleted softly, when, from which application and why: one row for each statement.';

COMMENT ON COLUMN dbperf.deletion.batch IS
    'One transaction, by its id; deleted_batch of the rows that it marked. dbperf.undelete() takes it back.';

COMMENT ON COLUMN dbperf.deletion.ordinal IS 'Position of the statement within the batch, from 1.';

COMMENT ON COLUMN dbperf.deletion.relation IS 'Table with soft delete whose rows it marked; of a partitioned one, its root.';

COMMENT ON COLUMN dbperf.deletion.deleted_at IS 'When the transaction began; deleted_at of the rows that it marked.';

COMMENT ON COLUMN dbperf.deletion.deleted_by IS 'Role that logged in.';

COMMENT ON COLUMN dbperf.deletion.acting_as IS 'Role that it had SET; NULL for none.';

COMMENT ON COLUMN dbperf.deletion.application IS 'application_name of the session.';

COMMENT ON COLUMN dbperf.deletion.client IS 'Address it came from; NULL over a unix socket.';

COMMENT ON COLUMN dbperf.deletion.reason IS 'Why: what soft_delete() was told, or the setting dbperf.reason.';

COMMENT ON COLUMN dbperf.deletion.cascades IS
    'True if soft_delete() was to delete what references the rows too: checked when that is complete.';

COMMENT ON COLUMN dbperf.deletion.recorded_at IS
    'When the statement ran: purge goes by this, because a long transaction may have begun long before.';

COMMENT ON COLUMN dbperf.deletion.undeleted_at IS 'When the batch was last taken back; NULL if never.';

COMMENT ON COLUMN dbperf.deletion.undeleted_by IS 'Role that took it back.';

SELECT dbperf.ensure_trigger(
    'dbperf.deletion', 'deletion_check_cascade',
    'CREATE CONSTRAINT TRIGGER deletion_check_cascade AFTER INSERT ON dbperf.deletion DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.cascades) EXECUTE FUNCTION dbperf.check_cascade()'
);

CREATE TABLE IF NOT EXISTS dbperf.delete_ticket (
    xid xid8 NOT NULL,
    relation regclass NOT NULL,
    purpose text NOT NULL,
    cutoff timestamp with time zone,
    CONSTRAINT delete_ticket_pkey PRIMARY KEY (xid, relation, purpose),
    CONSTRAINT delete_ticket_purpose_is_known CHECK (purpose IN ('remove', 'undelete', 'move')),
    CONSTRAINT delete_ticket_removal_has_a_cutoff CHECK ((purpose = 'remove') = (cutoff IS NOT NULL))
);

COMMENT ON TABLE dbperf.delete_ticket IS
    'What dbperf''s own statements may do inside the transaction that runs now; the triggers of soft delete believe nothing else. Empty between transactions. Whoever may write here may erase rows.';

COMMENT ON COLUMN dbperf.delete_ticket.xid IS 'The transaction.';

COMMENT ON COLUMN dbperf.delete_ticket.relation IS 'The table that the statement names.';

COMMENT ON COLUMN dbperf.delete_ticket.purpose IS 'remove: a DELETE really removes marked rows. undelete: an UPDATE may clear marks. move: a DELETE removes rows that another partition gets.';

COMMENT ON COLUMN dbperf.delete_ticket.cutoff IS 'Only rows marked before this are removed.';

CREATE UNLOGGED TABLE IF NOT EXISTS dbperf.delete_queue (
    xid xid8 NOT NULL,
    relation oid NOT NULL,
    place tid NOT NULL,
    revives boolean DEFAULT false NOT NULL
);

CREATE INDEX IF NOT EXISTS delete_queue_xid_relation_idx ON dbperf.delete_queue (xid, relation);

COMMENT ON TABLE dbperf.delete_queue IS
    'Rows that a DELETE on an ordinary table met, until the end of that statement marks them. Unlogged: nothing in it outlives a statement.';

COMMENT ON COLUMN dbperf.delete_queue.xid IS 'The transaction.';

COMMENT ON COLUMN dbperf.delete_queue.relation IS 'The table.';

COMMENT ON COLUMN dbperf.delete_queue.place IS 'ctid of the row, which the statement has locked.';

COMMENT ON COLUMN dbperf.delete_queue.revives IS 'True if an INSERT met the key of the deleted row and is to bring it back.';

CREATE TABLE IF NOT EXISTS dbperf.purge_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    relation regclass NOT NULL,
    purged_at timestamp with time zone DEFAULT now() NOT NULL,
    purged_by name DEFAULT SESSION_USER NOT NULL,
    cutoff timestamp with time zone NOT NULL,
    rows bigint NOT NULL,
    CONSTRAINT purge_log_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE dbperf.purge_log IS 'Every batch of rows that dbperf.purge() erased.';

COMMENT ON SEQUENCE dbperf.purge_log_id_seq IS 'Numbers the rows of dbperf.purge_log.';

COMMENT ON COLUMN dbperf.purge_log.id IS 'In the order of the batches.';

COMMENT ON COLUMN dbperf.purge_log.relation IS 'The table.';

COMMENT ON COLUMN dbperf.purge_log.purged_at IS 'When the batch began.';

COMMENT ON COLUMN dbperf.purge_log.purged_by IS 'Role that logged in.';

COMMENT ON COLUMN dbperf.purge_log.cutoff IS 'Rows marked before this were erased.';

COMMENT ON COLUMN dbperf.purge_log.rows IS 'How many.';

CREATE TABLE IF NOT EXISTS dbperf.key_change (
    relation regclass NOT NULL,
    key_name name NOT NULL,
    on_delete "char" NOT NULL,
    on_update "char" NOT NULL,
    delete_columns name[] NOT NULL,
    is_deferrable boolean NOT NULL,
    is_deferred boolean NOT NULL,
    comment text,
    definition text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT key_change_pkey PRIMARY KEY (relation, key_name)
);

COMMENT ON TABLE dbperf.key_change IS
    'Foreign keys whose actions dbperf replaces by RESTRICT, as they were, written before it does so; dbperf.restore_cascades() puts them back from here.';

COMMENT ON COLUMN dbperf.key_change.relation IS 'The referencing table; of a partitioned one, its root.';

COMMENT ON COLUMN dbperf.key_change.key_name IS 'Name of the key, before and after.';

COMMENT ON COLUMN dbperf.key_change.on_delete IS 'ON DELETE action, as in pg_constraint.confdeltype.';

COMMENT ON COLUMN dbperf.key_change.on_update IS 'ON UPDATE action, as in pg_constraint.confupdtype.';

COMMENT ON COLUMN dbperf.key_change.delete_columns IS 'Columns that ON DELETE SET NULL or SET DEFAULT names; empty for all.';

COMMENT ON COLUMN dbperf.key_change.is_deferrable IS 'DEFERRABLE.';

COMMENT ON COLUMN dbperf.key_change.is_deferred IS 'INITIALLY DEFERRED.';

COMMENT ON COLUMN dbperf.key_change.comment IS 'COMMENT ON CONSTRAINT of the key.';

COMMENT ON COLUMN dbperf.key_change.definition IS 'pg_get_constraintdef() of the key, for readers.';

COMMENT ON COLUMN dbperf.key_change.recorded_at IS 'When it was decided.';

CREATE TABLE IF NOT EXISTS dbperf.key_change_leaf (
    relation regclass NOT NULL,
    key_name name NOT NULL,
    leaf regclass NOT NULL,
    leaf_key_name name NOT NULL,
    CONSTRAINT key_change_leaf_pkey PRIMARY KEY (relation, key_name, leaf),
    CONSTRAINT key_change_leaf_relation_key_name_fkey FOREIGN KEY (relation, key_name) REFERENCES dbperf.key_change (relation, key_name)
);

COMMENT ON TABLE dbperf.key_change_leaf IS 'Names that a changed foreign key has on the partitions.';

COMMENT ON COLUMN dbperf.key_change_leaf.relation IS 'The partitioned table.';

COMMENT ON COLUMN dbperf.key_change_leaf.key_name IS 'Name of the key there.';

COMMENT ON COLUMN dbperf.key_change_leaf.leaf IS 'The partition, of any level.';

COMMENT ON COLUMN dbperf.key_change_leaf.leaf_key_name IS 'Name of the key on the partition.';

CREATE TABLE IF NOT EXISTS dbperf.settled_column (
    relation regclass NOT NULL,
    column_name name NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL,
    marked_by name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT settled_column_pkey PRIMARY KEY (relation, column_name)
);

COMMENT ON TABLE dbperf.settled_column IS
    'Columns that hold settled money: they stay numeric, dbperf.check_exact() refuses any other type for them.';

COMMENT ON COLUMN dbperf.settled_column.relation IS 'The table.';

COMMENT ON COLUMN dbperf.settled_column.column_name IS 'The column.';

COMMENT ON COLUMN dbperf.settled_column.marked_at IS 'When it was marked.';

COMMENT ON COLUMN dbperf.settled_column.marked_by IS 'Role that marked it.';
