-- Ticks of one instrument with the price in a range, over all time (alert evaluation).
SELECT * FROM market_data
WHERE instrument_id = %(instrument)s AND price BETWEEN %(low)s AND %(high)s
