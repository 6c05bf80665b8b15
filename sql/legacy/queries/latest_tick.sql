-- The latest tick of one instrument.
SELECT * FROM market_data
WHERE instrument_id = %(instrument_id)s
ORDER BY "timestamp" DESC
LIMIT 1
