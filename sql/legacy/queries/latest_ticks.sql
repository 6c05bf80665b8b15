-- The latest tick of every instrument: one index probe each, whatever the length of the history.
SELECT latest.*
FROM instruments AS i
CROSS JOIN LATERAL (
    SELECT * FROM market_data AS m
    WHERE m.instrument_id = i.id
    ORDER BY m."timestamp" DESC
    LIMIT 1
) AS latest
ORDER BY i.id
