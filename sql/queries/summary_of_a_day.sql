-- Average, minimum and maximum price of one instrument between two times: instrument_id, start, stop.
SELECT avg(price), min(price), max(price) FROM market_data
WHERE instrument_id = %(instrument_id)s AND "timestamp" >= %(start)s AND "timestamp" < %(stop)s
