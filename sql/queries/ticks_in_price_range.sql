-- Ticks of one instrument with the price in a range, of all time: instrument_id, low, high. It looks into every partition.
SELECT * FROM market_data
WHERE instrument_id = %(instrument_id)s AND price BETWEEN %(low)s AND %(high)s
