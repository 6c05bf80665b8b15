SELECT dbperf.refuse_backfills();

SELECT dbperf.keep_writing();

DROP TABLE IF EXISTS dbperf.quarantine;

DROP TABLE IF EXISTS dbperf.batch_ledger;

DROP TABLE dbperf.backfill;
