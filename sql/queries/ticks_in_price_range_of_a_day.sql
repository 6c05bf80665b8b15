-- Ticks of one instrument with the price in a range, in a time window (alert evaluation).
SELECT * FROM market_data
WHERE instrument_id = %(instrument)s AND price BETWEEN %(low)s AND %(high)s
  AND "timestamp" >= %(day_ago)s AND "timestamp" < %(now)s
