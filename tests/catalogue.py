"""Everything that a database's catalogue says, taken from the server, without OIDs or rows."""

from __future__ import annotations

from typing import Any

import psycopg

Catalogue = dict[str, list[tuple[Any, ...]]]

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

_QUERIES = {
    "schemas": f"""
        SELECT n.nspname, n.nspowner::regrole, n.nspacl, obj_description(n.oid, 'pg_namespace')
        FROM pg_namespace AS n WHERE {_OURS}""",
    "relations": f"""
        SELECT c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl, c.reloptions, c.relpersistence, c.relreplident,
               c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.reltablespace, a.amname,
               pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class'),
               CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
               ARRAY(SELECT i.inhparent::regclass::text FROM pg_inherits AS i WHERE i.inhrelid = c.oid ORDER BY 1)
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_am AS a ON a.oid = c.relam
        WHERE {_OURS}""",
    "columns": f"""
        SELECT a.attrelid::regclass, a.attname,
               row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), -- not attnum: dropped columns leave gaps
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
               a.attcompression, a.attstattarget, a.attoptions, a.attacl, a.attcollation::regcollation,
               pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND {_OURS}""",
    "constraints": f"""
        SELECT k.conrelid::regclass, k.contypid::regtype, k.conname, k.contype, pg_get_constraintdef(k.oid),
               k.convalidated, k.condeferrable, k.condeferred, k.coninhcount, k.conislocal, k.connoinherit,
               k.conindid::regclass, obj_description(k.oid, 'pg_constraint')
        FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace WHERE {_OURS}""",
    "indexes": f"""
        SELECT i.indexrelid::regclass, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indislive,
               i.indisclustered, i.indisreplident, i.indimmediate, obj_description(i.indexrelid, 'pg_class')
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE {_OURS}""",
    "triggers": f"""
        SELECT t.tgrelid::regclass, CASE WHEN t.tgisinternal THEN t.tgfoid::regproc::text ELSE t.tgname END, t.tgenabled,
               CASE WHEN NOT t.tgisinternal THEN pg_get_triggerdef(t.oid) END, k.conname, obj_description(t.oid, 'pg_trigger')
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_constraint AS k ON k.oid = t.tgconstraint WHERE {_OURS}""",
    "sequences": f"""
        SELECT s.seqrelid::regclass, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache,
               s.seqcycle, d.refobjid::regclass, d.refobjsubid, d.deptype, pg_sequence_last_value(s.seqrelid)
        FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_depend AS d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        WHERE {_OURS}""",
    "routines": f"""
        SELECT p.oid::regprocedure, p.proowner::regrole, p.proacl, obj_description(p.oid, 'pg_proc'),
               CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {_OURS}""",
    "types": f"""
        SELECT t.oid::regtype, t.typtype, t.typowner::regrole, t.typacl, t.typnotnull, t.typdefault,
               ARRAY(SELECT e.enumlabel FROM pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
        FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE {_OURS} AND t.typtype IN ('d', 'e', 'r')""",
    "policies": "SELECT * FROM pg_policies",
    "rules": "SELECT * FROM pg_rules WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'",
    "statistics": "SELECT stxrelid::regclass, stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "default_acls": "SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl",
    "publications": "SELECT * FROM pg_publication_tables",
    "event_triggers": "SELECT evtname, evtevent, evtenabled FROM pg_event_trigger",
    "extensions": "SELECT extname, extversion FROM pg_extension",
    "settings": "SELECT setrole, setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    "large_objects": "SELECT oid FROM pg_largeobject_metadata",
}


def dump(conn: psycopg.Connection) -> Catalogue:
    """The whole catalogue as comparable rows."""
    with conn.transaction():
        conn.execute("SET LOCAL search_path = pg_catalog")  # names come out qualified
        return {name: sorted(conn.execute(query.encode()).fetchall(), key=repr) for name, query in _QUERIES.items()}


def of_schema(dumped: Catalogue, schema: str) -> list[tuple[Any, ...]]:
    """The rows of a dump whose object lies in *schema*."""
    return [row for rows in dumped.values() for row in rows if str(row[0]).startswith(f"{schema}.") or row[0] == schema]
