-- One tick by id: id.
SELECT * FROM dbperf.by_id('market_data', NULL::market_data, %(id)s::bigint)
