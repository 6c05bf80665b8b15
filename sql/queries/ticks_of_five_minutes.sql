-- All ticks of a short time window over all instruments.
SELECT * FROM market_data
WHERE "timestamp" >= %(five_minutes_ago)s AND "timestamp" < %(now)s
ORDER BY "timestamp"
