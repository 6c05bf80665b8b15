"""Install the routines and views of ``sql/lib``, and notice when somebody changed them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import psycopg
from psycopg import errors

from dbperf.migrations.files import LibraryFile, library
from dbperf.migrations.session import search_path

#: What a view or routine of the library raises when the tables that it reads are not there (yet).
_NO_TABLES = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.InvalidSchemaName,
)

#: CREATE OR REPLACE cannot change a result type or drop a view's column.
_NOT_REPLACEABLE = (errors.InvalidFunctionDefinition, errors.InvalidTableDefinition)

# One row per routine and view of schema dbperf: name, what DROP needs, and an MD5 of all that defines it;
# not of its privileges, which are the DBA's to grant.
_INSTALLED = """
SELECT p.proname, 'ROUTINE ' || p.oid::regprocedure,
       md5(concat_ws(E'\\n', pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc')))
FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace('dbperf') AND p.prokind <> 'a'
UNION ALL
SELECT c.relname, 'VIEW ' || c.oid::regclass,
       md5(concat_ws(E'\\n', pg_get_viewdef(c.oid), c.reloptions, obj_description(c.oid, 'pg_class')))
FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('dbperf') AND c.relkind = 'v'
"""


def installed(conn: psycopg.Connection) -> dict[str, tuple[str, str]]:
    """What stands in schema dbperf: name → (kind and identity as DROP wants them, checksum).

    This and all below run in the caller's transaction.
    """
    conn.execute("SET LOCAL quote_all_identifiers = off")  # it would change every definition
    with search_path(conn):  # so that every name comes out qualified
        rows = conn.execute(_INSTALLED.encode()).fetchall()
    return {name: (identity, checksum) for name, identity, checksum in rows}


def recorded(conn: psycopg.Connection) -> dict[str, tuple[str, str]]:
    """What dbperf installed: name → (checksum of the file, checksum of the definition)."""
    rows = conn.execute("SELECT name, source_checksum, definition_checksum FROM dbperf.library")
    return {name: (source, definition) for name, source, definition in rows}


def outdated(conn: psycopg.Connection) -> tuple[list[str], list[str]]:
    """Compare the library with the database.

    Returns:
        names that the code would install or remove, and names that somebody changed or dropped
        behind dbperf's back. Applying the migrations mends both.
    """
    present, known = installed(conn), recorded(conn)
    wanted = {file.name: file.checksum for file in library()}
    pending = [name for name, source in wanted.items() if name not in known or known[name][0] != source]
    pending += [name for name in known if name not in wanted]
    changed = [n for n, (_, definition) in known.items() if n not in present or present[n][1] != definition]
    return sorted(pending), sorted(set(changed) - set(pending))


def install(conn: psycopg.Connection, *, late: bool) -> None:
    """Bring the early or the *late* part of the library to the code's version.

    Touches only what differs. Late objects whose tables are gone are dropped.
    """
    present, known = installed(conn), recorded(conn)
    replaced = []
    for file in library():
        if file.late != late:
            continue
        stands = present.get(file.name)
        if stands and known.get(file.name) == (file.checksum, stands[1]):
            continue
        if _is_installed(conn, file, stands):
            replaced.append(file)
        else:
            _drop(conn, [file.name])
    if replaced:
        _record(conn, replaced)
    if late:
        _drop(conn, set(known) - {file.name for file in library()})


def remove(conn: psycopg.Connection, *, late_only: bool) -> None:
    """Drop what the library installed, or only its late part."""
    late = {file.name for file in library() if file.late}
    names = recorded(conn).keys()
    _drop(conn, [name for name in names if not late_only or name in late])


def _is_installed(conn: psycopg.Connection, file: LibraryFile, stands: tuple[str, str] | None) -> bool:
    """Install *file*; False if it is late and the tables that it reads are not there."""
    if not file.late and not stands:  # most of them, the first time: nothing that a savepoint would be for
        _execute(conn, file.statements)
        return True
    try:
        with conn.transaction():
            _replace(conn, file, stands)
    except _NO_TABLES:
        if not file.late:
            raise
        return False
    return True


def _replace(conn: psycopg.Connection, file: LibraryFile, stands: tuple[str, str] | None) -> None:
    try:
        with conn.transaction():
            _execute(conn, file.statements)
    except _NOT_REPLACEABLE:
        _drop(conn, [file.name])
        _execute(conn, file.statements)
    else:
        if stands and len(_identities(conn, file.name)) > 1:  # other arguments make another routine: the old one goes
            conn.execute(f"DROP {stands[0]}".encode())


def _record(conn: psycopg.Connection, files: Iterable[LibraryFile]) -> None:
    """Record *files* as they stand now; together, because reading the definitions costs more than installing one."""
    present = installed(conn)
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO dbperf.library (name, source_checksum, definition_checksum) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET source_checksum = EXCLUDED.source_checksum,"
            " definition_checksum = EXCLUDED.definition_checksum",
            [(file.name, file.checksum, present[file.name][1]) for file in files],
        )


def _execute(conn: psycopg.Connection, statements: Iterable[str]) -> None:
    conn.execute(";\n".join(statements).encode())


def _identities(conn: psycopg.Connection, name: str) -> list[str]:
    query = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'dbperf'::regnamespace AND proname = %s"
    return [row[0] for row in conn.execute(query, [name])]


def _drop(conn: psycopg.Connection, names: Iterable[str]) -> None:
    present, names = installed(conn), list(names)
    identities = [present[name][0].split(" ", 1) for name in names if name in present]
    # together, because a rollback does this while it keeps readers and writers off the trading tables
    for kind, found in groupby(identities, lambda identity: identity[0]):
        conn.execute(f"DROP {kind} {', '.join(identity for _, identity in found)}".encode())
    conn.execute("DELETE FROM dbperf.library WHERE name = ANY (%s)", [names])


def described(conn: psycopg.Connection, routine: str) -> str | None:
    """The COMMENT of ``dbperf.<routine>``, or None."""
    query = "SELECT obj_description(to_regproc(%s), 'pg_proc')"
    row = conn.execute(query, [f"dbperf.{routine}"]).fetchone()
    return row[0] if row else None
