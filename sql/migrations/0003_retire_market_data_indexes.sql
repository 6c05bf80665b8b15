-- Every insert of a tick pays for every index. Two of five serve no listed query that another one does
-- not serve as well: (instrument_id, timestamp, price) does the work of (instrument_id), and (timestamp)
-- that of (timestamp, instrument_id). The one on (price) stays: docs/decisions.md has the figures.
-- Each function returns the statements still to run, none when it is already so; they cannot run in a
-- function or a transaction. From psql: end each with \gexec instead of the semicolon.
-- transactional: false
-- depends: 0002_adopt_trading_tables
SELECT statement FROM dbperf.ensure_index('market_data', 'ix_market_data_latest', 'instrument_id', 'timestamp', 'price');

SELECT statement FROM dbperf.ensure_index('market_data', 'ix_market_data_timestamp', 'timestamp');

SELECT statement FROM dbperf.ensure_index('market_data', 'ix_market_data_price', 'price');

SELECT statement FROM dbperf.retire_index('market_data', 'instrument_id');

SELECT statement FROM dbperf.retire_index('market_data', 'timestamp', 'instrument_id');
