-- Ticks of one instrument between two times, ascending: an hour.
SELECT * FROM market_data
WHERE instrument_id = %(instrument)s AND "timestamp" >= %(hour_ago)s AND "timestamp" < %(now)s
ORDER BY "timestamp"
