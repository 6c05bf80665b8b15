-- The latest tick of every instrument.
SELECT * FROM dbperf.latest_of_each('market_data', NULL::market_data, 'instrument_id', time_column => 'timestamp')
ORDER BY instrument_id
