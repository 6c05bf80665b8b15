-- Ticks of one instrument between two times, ascending: instrument_id, start, stop.
SELECT * FROM market_data
WHERE instrument_id = %(instrument_id)s AND "timestamp" >= %(start)s AND "timestamp" < %(stop)s
ORDER BY "timestamp"
