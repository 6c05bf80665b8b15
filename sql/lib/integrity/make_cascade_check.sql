CREATE OR REPLACE FUNCTION dbperf.make_cascade_check()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = 'dbperf.deletion'::regclass AND g.tgname = 'deletion_check_cascade') THEN
        CREATE CONSTRAINT TRIGGER deletion_check_cascade AFTER INSERT ON dbperf.deletion
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.cascades) EXECUTE FUNCTION dbperf.check_cascade();
    END IF;
END
$$;

COMMENT ON FUNCTION dbperf.make_cascade_check() IS
    'Makes the constraint trigger that ends a cascade, if it is not there. Locks: SHARE ROW EXCLUSIVE on dbperf.deletion, if it makes it.';
