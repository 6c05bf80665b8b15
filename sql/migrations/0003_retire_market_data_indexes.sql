-- Every insert of a tick pays for every index. (instrument_id, timestamp, price) does the work of
-- (instrument_id), (timestamp) that of (timestamp, instrument_id), and (instrument_id, price) that of
-- (price), which the application never asks for without an instrument: docs/decisions.md has the figures.
-- Each function returns the statements still to run, none when it is already so; they cannot run in a
-- function or a transaction. From psql: end each with \gexec instead of the semicolon.
-- transactional: false
-- depends: 0002_adopt_trading_tables
SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('market_data'), 'ix_market_data_latest', 'instrument_id', 'timestamp', 'price');

SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('market_data'), 'ix_market_data_timestamp', 'timestamp');

SELECT statement FROM dbperf.ensure_index(dbperf.trading_relation('market_data'), 'ix_market_data_instrument_price', 'instrument_id', 'price');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('market_data'), 'instrument_id');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('market_data'), 'price');

SELECT statement FROM dbperf.retire_index(dbperf.trading_relation('market_data'), 'timestamp', 'instrument_id');
