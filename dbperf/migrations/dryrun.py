"""``migrate --dry-run``: every statement that a run would execute, with the lock it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import errors

from dbperf.migrations import files, library, locks, session
from dbperf.migrations.files import Migration
from dbperf.migrations.run import Run

#: What a plan raises when an earlier migration that is only shown has not made its tables.
_NOT_THERE = (
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.UndefinedColumn,
    errors.InvalidSchemaName,
)


def dry_run(run: Run, last: str) -> list[str]:
    """Lines of SQL with comments; nothing is left changed.

    What bootstrap migrations and the library do touches no existing table, so they really run, in
    a transaction that is rolled back: an adoption that would be refused is refused here too, and
    the plans of later migrations show the indexes by their names.
    """
    run.refuse_contradictions()
    pending = run.pending(last)
    before = _outdated(run)

    def rehearse() -> list[str]:
        with run.conn.transaction(force_rollback=True):
            run.bootstrap([m for m in pending if m.bootstrap])
            return list(_lines(run, pending, before))

    return session.within_budget(run.conn, rehearse)


def _outdated(run: Run) -> set[str]:
    if not run.state.installed:
        return {file.name for file in files.library()}
    with run.conn.transaction():
        pending, changed = library.outdated(run.conn)
    return {*pending, *changed}


def _lines(run: Run, pending: Sequence[Migration], outdated: set[str]) -> Iterator[str]:
    shown = [file for file in files.library() if file.name in outdated]
    bootstrap = [m for m in pending if m.bootstrap]
    for migration in bootstrap:
        yield from _section(run.conn, migration.id, migration.statements)
    for file in shown:
        if not file.late:
            yield from _section(run.conn, f"library: {file.name}", file.statements)
    for migration in pending:
        if not migration.bootstrap:
            yield from _section(run.conn, migration.id, _expanded(run, migration))
    for file in shown:
        if file.late:
            yield from _section(run.conn, f"library: {file.name}", file.statements)


def _expanded(run: Run, migration: Migration) -> Iterator[str]:
    """The statements of *migration*, plans replaced by what they would return now."""
    for statement in migration.statements:
        if migration.transactional:
            yield statement
            continue
        try:
            with run.conn.transaction(), session.search_path(run.conn, run.schema):
                rows = run.conn.execute(statement.encode()).fetchall()
        except _NOT_THERE:
            yield statement
        else:
            yield from (row[0] for row in rows)


def _section(conn: psycopg.Connection, title: str, statements: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield f"-- {title}"
    for statement in statements:
        yield statement.strip().rstrip(";") + ";"
        found = locks.locks_of(
            statement, lambda routine: library.described(conn, routine), lambda index: _table_of(conn, index)
        )
        if found is None:
            yield "-- lock: not known to dbperf"
        elif not found:
            yield "-- lock: none on any table"
        else:
            yield f"-- lock: {', '.join(str(lock) for lock in found)}"


def _table_of(conn: psycopg.Connection, index: str) -> str | None:
    row = conn.execute(
        "SELECT indrelid::regclass::text FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(%s)", [index]
    ).fetchone()
    return row[0] if row else None
