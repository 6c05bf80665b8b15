-- The latest tick of one instrument: instrument_id.
SELECT * FROM dbperf.latest(
    'market_data', NULL::market_data, jsonb_build_object('instrument_id', %(instrument_id)s::integer), time_column => 'timestamp'
)
