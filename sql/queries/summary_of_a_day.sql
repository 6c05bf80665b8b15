-- Average, minimum and maximum of one instrument between two times: a day.
SELECT avg(price), min(price), max(price) FROM market_data
WHERE instrument_id = %(instrument)s AND "timestamp" >= %(day_ago)s AND "timestamp" < %(now)s
