-- %(instruments)s instruments; the last one has the symbol of the one before: a planted duplicate.
-- last_price is the price at which the walk of the ticks starts, until the ticks are there.
INSERT INTO instruments (id, symbol, name, type, status, last_tick, last_price, created_at, updated_at)
SELECT
    i,
    coalesce(known.symbol, 'SYM' || lpad(least(i, %(instruments)s - 1)::text, 4, '0')),
    coalesce(known.name, 'Instrument') || ' ' || i,
    (ARRAY['future', 'future', 'future', 'index', 'internal'])[1 + i %% 5],
    CASE WHEN i %% 17 = 0 THEN 'error' WHEN i %% 11 = 0 THEN 'inactive' ELSE 'active' END,
    NULL,
    (ARRAY[5000, 18000, 39000, 2000, 78, 2300, 29, 2.6, 118, 110, 1.08, 15])[1 + (i - 1) %% 12],
    timestamp '2026-01-02 08:00:00' + i * interval '1 minute',
    timestamp '2026-06-30 21:00:00'
FROM generate_series(1, %(instruments)s) AS i
LEFT JOIN (VALUES
    (1, 'ES', 'E-mini S&P 500'), (2, 'NQ', 'E-mini Nasdaq-100'), (3, 'YM', 'E-mini Dow'), (4, 'RTY', 'E-mini Russell 2000'),
    (5, 'CL', 'Crude Oil'), (6, 'GC', 'Gold'), (7, 'SI', 'Silver'), (8, 'NG', 'Natural Gas'),
    (9, 'ZB', 'US Treasury Bond'), (10, 'ZN', '10-Year Note'), (11, '6E', 'Euro FX'), (12, 'VIX', 'Volatility Index')
) AS known (number, symbol, name) ON known.number = least(i, %(instruments)s - 1);
