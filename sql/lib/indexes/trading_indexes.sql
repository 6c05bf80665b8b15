CREATE OR REPLACE VIEW dbperf.trading_indexes WITH (security_invoker = true) AS
SELECT
    t.relation,
    c.relname AS index_name,
    CASE WHEN x.change = 'created' THEN 'created' ELSE 'kept' END AS state,
    pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
    i.indisvalid AS valid,
    pg_catalog.pg_relation_size(i.indexrelid) AS bytes,
    s.idx_scan AS scans
FROM dbperf.trading_table AS t
JOIN pg_catalog.pg_index AS i ON i.indrelid = t.relation
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_stat_all_indexes AS s ON s.indexrelid = i.indexrelid
LEFT JOIN dbperf.index_change AS x ON x.relation = t.relation AND x.index_name = c.relname
UNION ALL
SELECT x.relation, x.index_name, 'retired', x.definition, false, 0, NULL
FROM dbperf.index_change AS x
WHERE x.change = 'retired'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_index AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
      WHERE i.indrelid = x.relation AND c.relname = x.index_name
  );

COMMENT ON VIEW dbperf.trading_indexes IS
    'Every index of the trading tables, and those that dbperf retired and a rollback would bring back.';

COMMENT ON COLUMN dbperf.trading_indexes.relation IS 'The table.';

COMMENT ON COLUMN dbperf.trading_indexes.index_name IS 'Name of the index.';

COMMENT ON COLUMN dbperf.trading_indexes.state IS 'kept (was there before), created (by dbperf) or retired (by dbperf; gone).';

COMMENT ON COLUMN dbperf.trading_indexes.definition IS 'CREATE INDEX statement.';

COMMENT ON COLUMN dbperf.trading_indexes.valid IS 'Whether queries can use it.';

COMMENT ON COLUMN dbperf.trading_indexes.bytes IS 'Size on disk in bytes; 0 for a retired one.';

COMMENT ON COLUMN dbperf.trading_indexes.scans IS 'Index scans since the statistics were reset; NULL for a retired one.';
