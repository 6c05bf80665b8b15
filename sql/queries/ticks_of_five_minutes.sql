-- All ticks between two times, ascending: start, stop.
SELECT * FROM market_data
WHERE "timestamp" >= %(start)s AND "timestamp" < %(stop)s
ORDER BY "timestamp"
