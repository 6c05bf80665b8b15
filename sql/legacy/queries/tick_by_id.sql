-- One tick by id.
SELECT * FROM market_data WHERE id = %(id)s
