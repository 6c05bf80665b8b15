CREATE OR REPLACE FUNCTION dbperf.make_alert_logs(live regclass, target text, accept text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    -- columns of eight bytes first, then four, then those of any length
    EXECUTE pg_catalog.format($ddl$
        CREATE TABLE %s (
            id bigint NOT NULL,
            "timestamp" timestamp without time zone NOT NULL,
            trigger_value double precision NOT NULL,
            threshold_value double precision NOT NULL,
            delivery_attempted_at timestamp without time zone,
            delivery_completed_at timestamp without time zone,
            rule_id integer NOT NULL,
            instrument_id integer NOT NULL,
            evaluation_time_ms integer,
            fired_status character varying(20) NOT NULL,
            delivery_status character varying(20) NOT NULL,
            rule_condition character varying(20) NOT NULL,
            alert_message text,
            error_message text,
            PRIMARY KEY (id, instrument_id, "timestamp")
        ) PARTITION BY RANGE ("timestamp")
    $ddl$, make_alert_logs.target);
    PERFORM dbperf.complete_target(make_alert_logs.live, make_alert_logs.target::regclass, make_alert_logs.accept);
    INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind, id_column)
    VALUES (make_alert_logs.target::regclass, '3 months', '6 months', '1 year', '2 months', 'id');
    PERFORM dbperf.mark_target(make_alert_logs.target::regclass);
    PERFORM dbperf.rebuild_refuse(make_alert_logs.live, make_alert_logs.target::regclass, NULL, make_alert_logs.accept); -- before anything is left behind
END
$$;

COMMENT ON FUNCTION dbperf.make_alert_logs(regclass, text, text[]) IS
    'Makes the empty table that alert_logs becomes: quarterly partitions, values as double precision, ids as bigint. Raises 55000 if it could not become that, but for kinds that are accepted. Locks: SHARE ROW EXCLUSIVE on the tables that it references.';
