CREATE OR REPLACE FUNCTION dbperf.make_market_data(live regclass, target text, accept text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    -- Columns of eight bytes first: none is padded. Both unique columns of a row's place are in the key, so that the table can
    -- be cut by time and spread by instrument. Ids come from the table's own sequence, as ever.
    EXECUTE pg_catalog.format($ddl$
        CREATE TABLE %s (
            id bigint NOT NULL,
            "timestamp" timestamp without time zone NOT NULL,
            price double precision,
            bid double precision,
            ask double precision,
            open_price double precision,
            high_price double precision,
            low_price double precision,
            instrument_id integer NOT NULL,
            volume integer,
            bid_size integer,
            ask_size integer,
            PRIMARY KEY (id, instrument_id, "timestamp")
        ) PARTITION BY RANGE ("timestamp")
    $ddl$, make_market_data.target);
    -- Ticks come in the order of their times: a block range index finds a window of them, and costs an insert nothing.
    PERFORM dbperf.complete_target(make_market_data.live, make_market_data.target::regclass, make_market_data.accept, ARRAY['USING btree ("timestamp")']);
    EXECUTE pg_catalog.format('CREATE INDEX ON %s USING brin ("timestamp") WITH (pages_per_range = 32, autosummarize = on)', make_market_data.target);
    INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind, id_column)
    VALUES (make_market_data.target::regclass, '1 month', '3 months', '1 year', '2 months', 'id');
    PERFORM dbperf.mark_target(make_market_data.target::regclass);
    PERFORM dbperf.rebuild_refuse(make_market_data.live, make_market_data.target::regclass, NULL, make_market_data.accept); -- before anything is left behind
END
$$;

COMMENT ON FUNCTION dbperf.make_market_data(regclass, text, text[]) IS
    'Makes the empty table that market_data becomes: monthly partitions, prices as double precision, ids as bigint. Raises 55000 if it could not become that, but for kinds that are accepted. Locks: SHARE ROW EXCLUSIVE on the tables that it references.';
