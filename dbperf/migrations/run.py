"""One run under the advisory lock: up, down, and what both refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from dbperf.errors import DriftError, MigrationError, UsageError, own_error
from dbperf.migrations import files, library, session
from dbperf.migrations.files import Migration
from dbperf.migrations.ledger import Ledger, read_state, yoyo_home
from dbperf.migrations.session import Notify

DEFAULT_SCHEMA = "public"


class Run:
    """One run under the advisory lock: the records as found, the ledger to write, the trading schema."""

    def __init__(self, conn: psycopg.Connection, schema: str | None) -> None:
        self.conn = conn
        self.state = read_state(conn)
        known = self._trading_schema(schema)
        self.schema = known or DEFAULT_SCHEMA
        self._schema_is_known = known is not None
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
        if not self._schema_is_known:
            self._refuse_obvious_mistake()
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
        rebuilds = [m for m in undone if m.rebuild]
        others = []
        for stage in (rebuilds, [m for m in undone if not m.rebuild]):
            if stage:
                others += self._down(stage)
        if not self._is_everything(undone):
            session.within_budget(self.conn, lambda: library.install(self.conn, late=True))
        if others:
            notify(f"yoyo's tables stay: they also record {', '.join(others)}")
        return [m.id for m in undone]

    def _down(self, undone: Sequence[Migration]) -> list[str]:
        """Rehearse and undo; returns the foreign ids that keep yoyo's tables."""
        bootstrap = [m for m in undone if m.bootstrap]
        self._rehearse(undone, bootstrap)
        session.within_budget(self.conn, self._prepare_library)
        for migration in undone:
            if not migration.bootstrap:
                self._undo(migration)
        return session.within_budget(self.conn, lambda: self._forget(bootstrap)) if bootstrap else []

    def _prepare_library(self) -> None:
        """Remove what pins tables, and make sure that the ways back find this code's routines."""
        library.remove(self.conn, late_only=True)
        library.install(self.conn, late=False)

    def _begun(self, migration: Migration) -> bool:
        return self.state.applied(migration) or migration.id in self.state.interrupted

    def _is_everything(self, undone: Sequence[Migration]) -> bool:
        return files.migrations()[0] in undone

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

    def _rehearse(self, undone: Sequence[Migration], bootstrap: Sequence[Migration]) -> None:
        """Find out whether a step would refuse, before the first one changes anything."""

        def rehearse() -> None:
            with self.conn.transaction(force_rollback=True):
                self._prepare_library()
                for migration in undone:
                    if not migration.transactional:  # its plans look, and say what they would do
                        self._execute(migration.rollback)
                if self._is_everything(bootstrap):  # plans were only looked at: the triggers still hold the library
                    self.conn.execute("SELECT dbperf.unpin_trading_tables()")
                if bootstrap:
                    self._forget(bootstrap)

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

    def _trading_schema(self, asked: str | None) -> str | None:
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
        return asked or adopted

    def _refuse_obvious_mistake(self) -> None:
        """Empty tables in ``public`` are not what is meant when full ones are elsewhere."""
        found = self.conn.execute(
            "SELECT n.nspname::text FROM pg_catalog.pg_class AS c"
            " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE c.relname IN ('instruments', 'alert_rules', 'market_data', 'alert_logs')"
            " AND c.relkind IN ('r', 'p') GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"
        ).fetchall()
        schemas = [name for (name,) in found]
        if schemas and DEFAULT_SCHEMA not in schemas:
            raise UsageError(f"the trading tables seem to be in schema {', '.join(schemas)}: name it with --schema")


@contextmanager
def own_errors() -> Iterator[None]:
    """Turn dbperf's SQLSTATEs into its exceptions."""
    try:
        yield
    except psycopg.Error as error:
        raise own_error(error) from None
