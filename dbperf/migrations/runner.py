"""Apply, roll back, show and repair migrations.

The order of a run: bootstrap migrations and the routines of the library in one transaction, the
other migrations one by one, then the library's views. Interrupted anywhere, the next run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from dbperf.errors import SQLSTATES, DriftError, MigrationError, UsageError, sentence
from dbperf.migrations import files, library, session
from dbperf.migrations.files import Migration
from dbperf.migrations.ledger import Ledger, State, read_state, yoyo_home

Notify = Callable[[str], None]

DEFAULT_SCHEMA = "public"


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
    notify: Notify = _silent,
) -> list[str]:
    """Bring the database to the code's version, or up to and including migration *to*.

    Args:
        dsn: see `dbperf.connect`.
        to: four digits or a whole id; later ones that are applied stay.
        dry_run: change nothing; return the statements with the locks they take instead.
        schema: where the trading tables are, or shall be; by default where they were adopted,
            else ``public``.
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
        run = Run(conn, schema)
        if dry_run:
            from dbperf.migrations.dryrun import dry_run as rehearse

            return rehearse(run, last)
        return run.up(last)


def rollback(dsn: str | None = None, *, to: str | None = None, notify: Notify = _silent) -> list[str]:
    """Undo the last migration, or all above *to*; ``0000`` removes dbperf and yoyo altogether.

    No rollback drops a row. A way back that would have to refuse is found before the first step.

    Returns:
        ids of the migrations that were rolled back, in order.

    Raises:
        NotEmptyError: tables that dbperf made hold rows.
        DriftError, LockedError, PoolerError, MigrationError: see their sentences.
    """
    keep = files.target(to, zero=True) if to is not None else None
    with session.open_session(dsn, notify) as conn, session.exclusive(conn):
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
        session.within_budget(conn, lambda: run.ledger.complete(migration))
        return f"{migration.id} repaired: {drift}"


class Run:
    """One run under the advisory lock: the records as found, the ledger to write, the trading schema."""

    def __init__(self, conn: psycopg.Connection, schema: str | None) -> None:
        self.conn = conn
        self.state = read_state(conn)
        self.schema = self._trading_schema(schema)
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """Made when it is first needed."""
        if self._ledger is None:
            self._ledger = Ledger(self.conn, yoyo_home(self.conn, self.state))
        return self._ledger

    # -- up ----------------------------------------------------------------------------

    def up(self, last: str) -> list[str]:
        """Apply what is pending up to *last*, and install the library."""
        self.refuse_contradictions()
        pending = self.pending(last)
        bootstrap = [m for m in pending if m.bootstrap]
        with _own_errors():
            session.within_budget(self.conn, lambda: self.bootstrap(bootstrap))
            for migration in pending:
                if not migration.bootstrap:
                    self._apply(migration)
            session.within_budget(self.conn, lambda: library.install(self.conn, late=True))
        self._assert_nothing_pending(last)
        return [m.id for m in pending]

    def pending(self, last: str) -> list[Migration]:
        """Migrations up to *last* that are not complete."""
        return [m for m in files.migrations() if m.number <= last and not self.state.applied(m)]

    def bootstrap(self, pending: Sequence[Migration]) -> None:
        """Apply the bootstrap migrations and install the routines, in the caller's transaction."""
        self.ledger.create()
        for migration in pending:
            if migration is not files.migrations()[0]:
                library.install(self.conn, late=False)  # later ones call its routines
            self._execute(migration.statements)
            if migration is files.migrations()[0]:
                self.ledger.remember_home()
            self.ledger.complete(migration)
        library.install(self.conn, late=False)

    def _apply(self, migration: Migration) -> None:
        if migration.transactional:
            session.within_budget(self.conn, lambda: self._apply_in_transaction(migration))
            return
        session.within_budget(self.conn, lambda: self.ledger.begin(migration))
        for plan in migration.statements:
            session.run_plan(self.conn, plan, self.schema)
        session.within_budget(self.conn, lambda: self.ledger.complete(migration))

    def _apply_in_transaction(self, migration: Migration) -> None:
        self._execute(migration.statements)
        self.ledger.complete(migration)

    # -- down --------------------------------------------------------------------------

    def down(self, keep: str | None, notify: Notify) -> list[str]:
        """Roll back all above *keep*, or the last one."""
        self.refuse_contradictions()
        if not self.state.installed:
            return []
        undone = [m for m in reversed(files.migrations()) if self._begun(m)]
        undone = undone[:1] if keep is None else [m for m in undone if m.number > keep]
        bootstrap = [m for m in undone if m.bootstrap]
        with _own_errors():
            self._rehearse_forgetting(bootstrap)
            if undone:
                session.within_budget(self.conn, self._prepare_library)
            for migration in undone:
                if not migration.bootstrap:
                    self._undo(migration)
            others = session.within_budget(self.conn, lambda: self._forget(bootstrap)) if bootstrap else []
            if not self._is_everything(bootstrap):
                session.within_budget(self.conn, lambda: library.install(self.conn, late=True))
        if others:
            notify(f"yoyo's tables stay: they also record {', '.join(others)}")
        return [m.id for m in undone]

    def _prepare_library(self) -> None:
        """Remove what pins tables, and make sure that the ways back find this code's routines."""
        library.remove(self.conn, late_only=True)
        library.install(self.conn, late=False)

    def _begun(self, migration: Migration) -> bool:
        return self.state.applied(migration) or migration.id in self.state.interrupted

    def _is_everything(self, bootstrap: Sequence[Migration]) -> bool:
        return files.migrations()[0] in bootstrap

    def _undo(self, migration: Migration) -> None:
        if migration.transactional:
            session.within_budget(self.conn, lambda: self._undo_in_transaction(migration))
            return
        session.within_budget(self.conn, lambda: self.ledger.begin(migration))
        for plan in migration.rollback:
            session.run_plan(self.conn, plan, self.schema)
        session.within_budget(self.conn, lambda: self.ledger.forget(migration))

    def _undo_in_transaction(self, migration: Migration) -> None:
        self._execute(migration.rollback)
        self.ledger.forget(migration)

    def _forget(self, bootstrap: Sequence[Migration]) -> list[str]:
        """Roll back bootstrap migrations in the caller's transaction.

        With the first of them everything goes; returns the foreign ids that keep yoyo's tables.
        """
        everything = self._is_everything(bootstrap)
        for migration in bootstrap:
            self.ledger.forget(migration)
            if everything and migration is files.migrations()[0]:
                library.remove(self.conn, late_only=False)
            self._execute(migration.rollback)
        return self.ledger.drop() if everything else []

    def _rehearse_forgetting(self, bootstrap: Sequence[Migration]) -> None:
        """Find out whether the last steps would refuse, before the first one changes anything."""

        def rehearse() -> None:
            with self.conn.transaction(force_rollback=True):
                library.remove(self.conn, late_only=True)
                self._forget(bootstrap)

        if bootstrap:
            session.within_budget(self.conn, rehearse)

    # -- common ------------------------------------------------------------------------

    def refuse_contradictions(self) -> None:
        """Raise DriftError if the records and the code disagree, naming the first remedy."""
        if self.state.newer:
            raise DriftError(
                f"the database has {', '.join(self.state.newer)}, which this dbperf does not know: "
                "use the newer dbperf that applied it"
            )
        for migration in files.migrations():
            if drift := self.state.drift(migration):
                raise DriftError(f"{migration.id}: {drift}; look at it, then run dbperf repair {migration.number}")

    def _execute(self, statements: Sequence[str]) -> None:
        with session.search_path(self.conn, self.schema):
            for statement in statements:
                self.conn.execute(statement.encode())

    def _assert_nothing_pending(self, last: str) -> None:
        self.state = read_state(self.conn)
        left = [m.id for m in self.pending(last)]
        if left:
            raise MigrationError(f"{', '.join(left)} did not become applied: another session changed the records")

    def _trading_schema(self, asked: str | None) -> str:
        adopted = None
        if self.state.installed:
            row = self.conn.execute(
                "SELECT min(n.nspname::text) FROM dbperf.trading_table AS t"
                " JOIN pg_catalog.pg_class AS c ON c.oid = t.relation"
                " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
            ).fetchone()
            adopted = row[0] if row else None
        if asked and adopted and asked != adopted:
            raise UsageError(f"the trading tables were adopted in schema {adopted}: leave out --schema {asked}")
        return asked or adopted or DEFAULT_SCHEMA


@contextmanager
def _own_errors() -> Iterator[None]:
    """Turn dbperf's SQLSTATEs into its exceptions."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate not in SQLSTATES:
            raise
        raise SQLSTATES[error.sqlstate](sentence(error)) from None
