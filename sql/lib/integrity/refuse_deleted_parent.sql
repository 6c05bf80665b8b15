CREATE OR REPLACE FUNCTION dbperf.refuse_deleted_parent()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- a policy that hid a row of another table would make it an orphan
AS $$
BEGIN
    PERFORM dbperf.refuse_deleted_parents(TG_RELID, NEW);
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION dbperf.refuse_deleted_parent() IS
    'Trigger, BEFORE INSERT OR UPDATE OF the referencing columns FOR EACH ROW, not on hot tables: refuses (23503) a new child of a deleted row. Locks: ROW SHARE on the referenced tables, FOR SHARE on the referenced rows.';

REVOKE EXECUTE ON FUNCTION dbperf.refuse_deleted_parent() FROM PUBLIC;
