-- %(ticks)s ticks of a quarter, in the order of time; busy instruments have more of them. Prices walk by whole
-- tick sizes. Chance is a hash of row and seed: the same rows on every server version, whatever the plan.
-- Planted: every 9973rd tick has no price, one tick is far in the future, one is years old.
INSERT INTO market_data (
    id, "timestamp", instrument_id, price, volume, bid, ask, bid_size, ask_size, open_price, high_price, low_price
)
SELECT
    n, at, instrument, price, volume, price - size, price + size, bid_size, ask_size,
    coalesce(before, price), greatest(before, price) + size, least(before, price) - size
FROM (
    SELECT
        walk.*,
        CASE WHEN n %% 9973 = 0 THEN NULL ELSE price_if_known END AS price,
        lag(price_if_known) OVER (PARTITION BY instrument ORDER BY n) AS before
    FROM (
        SELECT
            step.*,
            base + size * sum(ticks) OVER (PARTITION BY instrument ORDER BY n) AS price_if_known
        FROM (
            SELECT
                n,
                timestamp '2026-04-01 00:00:00' + n * (interval '90 days 21 hours' / (%(ticks)s - 2)) AS at,
                instrument,
                i.last_price AS base,
                round(i.last_price * 0.00002, 4) + 0.0001 AS size,
                (hashint8extended(n, %(seed)s + 2) & 1048575) %% 5 - 2 AS ticks,
                (1 + (hashint8extended(n, %(seed)s + 3) & 1023) %% 250)::integer AS volume,
                (1 + (hashint8extended(n, %(seed)s + 4) & 1023) %% 90)::integer AS bid_size,
                (1 + (hashint8extended(n, %(seed)s + 5) & 1023) %% 90)::integer AS ask_size
            FROM (
                SELECT
                    n::bigint AS n,
                    1 + (%(instruments)s * power((hashint8extended(n, %(seed)s + 1) & 1048575) / 1048576.0::float8, 1.5))::integer
                        %% %(instruments)s AS instrument
                FROM generate_series(1, %(ticks)s - 2) AS n
            ) AS tick
            JOIN instruments AS i ON i.id = tick.instrument
        ) AS step
    ) AS walk
) AS priced
ORDER BY n;

INSERT INTO market_data (id, "timestamp", instrument_id, price, volume)
VALUES
    (%(ticks)s - 1, '2099-12-31 23:59:59', %(instruments)s, 4242.4242, 1),
    (%(ticks)s, '2009-01-02 09:30:00', %(instruments)s, 0.0001, 1);

UPDATE instruments AS i
SET last_tick = latest."timestamp", last_price = latest.price
FROM (
    SELECT DISTINCT ON (instrument_id) instrument_id, "timestamp", price
    FROM market_data
    WHERE "timestamp" <= '2026-06-30 21:00:00' AND price IS NOT NULL
    ORDER BY instrument_id, "timestamp" DESC, id DESC
) AS latest
WHERE latest.instrument_id = i.id;
