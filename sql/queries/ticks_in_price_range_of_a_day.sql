-- Ticks of one instrument with the price in a range, between two times: instrument_id, low, high, start, stop.
SELECT * FROM market_data
WHERE instrument_id = %(instrument_id)s AND price BETWEEN %(low)s AND %(high)s
  AND "timestamp" >= %(start)s AND "timestamp" < %(stop)s
