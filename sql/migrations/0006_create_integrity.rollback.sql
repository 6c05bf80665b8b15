-- Batches that rows set aside belong to are kept beside them.
SELECT dbperf.keep_deletions();

DROP TABLE dbperf.settled_column;

DROP TABLE dbperf.key_change_leaf;

DROP TABLE dbperf.key_change;

DROP TABLE dbperf.purge_log;

DROP TABLE dbperf.delete_queue;

DROP TABLE dbperf.delete_ticket;

DROP TABLE dbperf.deletion;

DROP TABLE dbperf.soft_delete_guard;

DROP TABLE dbperf.soft_delete_table;
