"""Apply, roll back, show and repair migrations.

The order of a run: bootstrap migrations and the routines of the library in one transaction, the
other migrations one by one, then the library's views. Interrupted anywhere, the next run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from dbperf.errors import UsageError
from dbperf.migrations import dryrun, files, library, session
from dbperf.migrations.files import Migration
from dbperf.migrations.ledger import State, read_state
from dbperf.migrations.run import Run, own_errors
from dbperf.migrations.session import Notify


def _silent(message: str) -> None:
    """Ignore *message*: a library does not print."""


@dataclass
class MigrationStatus:
    """One migration as `status` shows it; *state* is applied, pending, interrupted or drift."""

    id: str
    state: str
    detail: str = ""


@dataclass
class Status:
    """What `status` found.

    Attributes:
        migrations: one entry per migration of this code.
        newer: migrations that only a later version of the code has.
        library_pending: routines and views that the next run installs.
        library_changed: routines and views that somebody changed behind dbperf's back.
    """

    migrations: list[MigrationStatus]
    newer: list[str] = field(default_factory=list)
    library_pending: list[str] = field(default_factory=list)
    library_changed: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """0 current, 1 pending, 3 drift or newer."""
        states = {m.state for m in self.migrations}
        if self.newer or self.library_changed or "drift" in states:
            return 3
        return 1 if states - {"applied"} or self.library_pending else 0


def status(conn: psycopg.Connection) -> Status:
    """Compare the database of *conn* with the code; writes nothing, yoyo's tables included."""
    with conn.transaction():
        state = read_state(conn)
        result = Status([_status_of(m, state) for m in files.migrations()], state.newer)
        if state.installed:
            result.library_pending, result.library_changed = library.outdated(conn)
    return result


def _status_of(migration: Migration, state: State) -> MigrationStatus:
    if migration.id in state.interrupted:
        return MigrationStatus(migration.id, "interrupted", "migrate completes it, rollback undoes it")
    if drift := state.drift(migration):
        remedy = f"look at it, then: dbperf repair {migration.number}"
        return MigrationStatus(migration.id, "drift", f"{drift}; {remedy}")
    return MigrationStatus(migration.id, "applied" if state.applied(migration) else "pending")


def migrate(
    dsn: str | None = None,
    *,
    to: str | None = None,
    dry_run: bool = False,
    schema: str | None = None,
    accept: Sequence[str] = (),
    notify: Notify = _silent,
) -> list[str]:
    """Bring the database to the code's version, or up to and including migration *to*.

    Args:
        dsn: see `dbperf.connect`.
        to: four digits or a whole id; later ones that are applied stay.
        dry_run: change nothing; return the statements with the locks they take instead.
        schema: where the trading tables are, or shall be; by default where they were adopted,
            else ``public``.
        accept: kinds of obstacles that a rebuild goes on in spite of, as `dbperf.rebuild.start`.
        notify: gets the server's notices, such as what an adoption keeps.

    Returns:
        ids of the migrations that were applied, in order; with *dry_run* lines of SQL.

    Raises:
        AdoptionError: existing tables are not the legacy ones; nothing was changed.
        DriftError: the records contradict the code, or the database is newer.
        LockedError, PoolerError, MigrationError: see their sentences.
    """
    last = files.target(to) if to is not None else files.migrations()[-1].number
    with session.open_session(dsn, notify) as conn, session.exclusive(conn):
        session.accept(conn, accept)
        run = Run(conn, schema)
        with own_errors():
            return dryrun.dry_run(run, last) if dry_run else run.up(last)


def rollback(
    dsn: str | None = None, *, to: str | None = None, accept: Sequence[str] = (), notify: Notify = _silent
) -> list[str]:
    """Undo the last migration, or all above *to*; ``0000`` removes dbperf and yoyo altogether.

    No rollback drops a row. A way back that would have to refuse is found before the first step.
    *accept* as `migrate`.

    Returns:
        ids of the migrations that were rolled back, in order.

    Raises:
        NotEmptyError: tables that dbperf made hold rows.
        DriftError, LockedError, PoolerError, MigrationError: see their sentences.
    """
    keep = files.target(to, zero=True) if to is not None else None
    with session.open_session(dsn, notify) as conn, session.exclusive(conn), own_errors():
        session.accept(conn, accept)
        return Run(conn, None).down(keep, notify)


def repair(dsn: str | None, number: str) -> str:
    """Make the records of one migration agree with the code, after somebody looked at the drift.

    Returns:
        what was repaired, in words.

    Raises:
        UsageError: there is no such migration, or it is not applied.
    """
    wanted = files.target(number)
    migration = next(m for m in files.migrations() if m.number == wanted)
    with session.open_session(dsn, _silent) as conn, session.exclusive(conn):
        run = Run(conn, None)
        if not run.state.installed or not run.state.applied(migration):
            raise UsageError(f"migration {migration.id} is not applied: there is nothing to repair")
        drift = run.state.drift(migration)
        if drift is None:
            return f"{migration.id} needs no repair"
        if migration.id not in run.state.recorded and migration not in files.migrations()[:2]:
            # nobody knows what yoyo alone did: the next run does it, except what made these records
            session.within_budget(conn, lambda: run.ledger.begin(migration))
            return f"{migration.id}: {drift}; recorded as interrupted, dbperf migrate completes it"
        session.within_budget(conn, lambda: run.ledger.complete(migration))
        return f"{migration.id} repaired: {drift}"
