"""What was applied: yoyo's tables and dbperf's, written together.

yoyo hashes a migration's name, opens connections of its own, commits before it records and
locks with a row that a crash leaves behind. So its tables, its parser and its SQL are used on
the connection that executes, inside the transaction that executes, under an advisory lock.
"""

from __future__ import annotations

import getpass
import re
import socket
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from yoyo import internalmigrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from dbperf.errors import MigrationError
from dbperf.migrations.files import Migration, migrations
from dbperf.migrations.session import search_path

YOYO_TABLES = (default_migration_table, "_yoyo_log", "_yoyo_version", "yoyo_lock")


@dataclass
class State:
    """What a database says about itself, read without writing anything.

    Attributes:
        installed: whether schema dbperf is dbperf's.
        yoyo_schema: where yoyo's tables are, or would be made; None if nowhere.
        marked: ids that yoyo calls applied.
        recorded: checksum by id, of complete migrations.
        interrupted: ids that began and did not end, either way.
    """

    installed: bool
    yoyo_schema: str | None
    marked: set[str] = field(default_factory=set)
    recorded: dict[str, str] = field(default_factory=dict)
    interrupted: set[str] = field(default_factory=set)

    @property
    def newer(self) -> list[str]:
        """Ids of migrations that this code does not have, but a later version of it may."""
        known = {m.id for m in migrations()}
        last = migrations()[-1].number
        # yoyo's table may hold another application's migrations: only what continues ours is newer
        continued = {i for i in self.marked if self.installed and re.match(r"\d{4}_", i) and i[:4] > last}
        return sorted((set(self.recorded) | self.interrupted | continued) - known)

    def drift(self, migration: Migration) -> str | None:
        """How the record of *migration* contradicts the code, in words; None if it does not."""
        marked, recorded = migration.id in self.marked, self.recorded.get(migration.id)
        if marked and recorded is None:
            return "yoyo calls it applied, dbperf did not apply it"
        if recorded is not None and not marked:
            return "dbperf applied it, yoyo does not know it"
        if recorded is not None and recorded != migration.checksum:
            return "its file changed after it was applied"
        return None

    def applied(self, migration: Migration) -> bool:
        """Whether *migration* is complete."""
        return migration.id in self.recorded or migration.id in self.marked


def read_state(conn: psycopg.Connection) -> State:
    """Read both ledgers. Needs SELECT on them and writes nothing."""
    row = conn.execute("SELECT to_regclass('dbperf.installation') IS NOT NULL, current_schema()").fetchone()
    assert row is not None
    state = State(installed=row[0], yoyo_schema=row[1])
    if state.installed:
        home = conn.execute("SELECT yoyo_schema FROM dbperf.installation").fetchone()
        state.yoyo_schema = home[0] if home else state.yoyo_schema
        for name, checksum, complete in conn.execute(
            "SELECT id, checksum, applied_at IS NOT NULL FROM dbperf.migration"
        ):
            if complete:
                state.recorded[name] = checksum
            else:
                state.interrupted.add(name)
    if state.yoyo_schema is not None and _exists(conn, state.yoyo_schema, default_migration_table):
        table = sql.Identifier(state.yoyo_schema, default_migration_table)
        state.marked = {r[0] for r in conn.execute(sql.SQL("SELECT migration_id FROM {}").format(table))}
    return state


def _exists(conn: psycopg.Connection, schema: str, table: str) -> bool:
    found = conn.execute("SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = %s", [schema, table])
    return found.fetchone() is not None


class _YoyoBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo ships no types
    """yoyo's SQL on a connection that is open already; creates, locks and commits nothing itself."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._given = connection
        uri = DatabaseURI("postgresql+psycopg", None, None, None, None, connection.info.dbname, {})
        super().__init__(uri, default_migration_table)
        self._in_transaction = True  # so that its transactions become savepoints of ours

    def connect(self, dburi: Any) -> psycopg.Connection:
        return self._given

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        # yoyo's own fails for a user id without a name and may wait for a name server
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = "unknown"
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": user,
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


class Ledger:
    """Writes both records; every method belongs inside the caller's transaction."""

    def __init__(self, conn: psycopg.Connection, yoyo_schema: str) -> None:
        self._conn = conn
        self._schema = yoyo_schema
        self._yoyo = _YoyoBackend(conn)

    def create(self) -> None:
        """Make yoyo's tables where stock yoyo would look for them."""
        with search_path(self._conn, self._schema):  # yoyo names tables without a schema
            if internalmigrations.needs_upgrading(self._yoyo):
                internalmigrations.upgrade(self._yoyo)

    def remember_home(self) -> None:
        """Record where yoyo's tables are: another role's search_path must not lose them."""
        self._conn.execute("INSERT INTO dbperf.installation (yoyo_schema) VALUES (%s)", [self._schema])

    def begin(self, migration: Migration) -> None:
        """Record that *migration* is under way; it is applied no more, if it was."""
        self._record(migration, complete=False)
        self._mark(migration, applied=False, operation="rollback")

    def complete(self, migration: Migration) -> None:
        """Record *migration* as applied."""
        self._record(migration, complete=True)
        self._mark(migration, applied=True, operation="apply")

    def forget(self, migration: Migration) -> None:
        """Record *migration* as rolled back."""
        self._conn.execute("DELETE FROM dbperf.migration WHERE id = %s", [migration.id])
        self._mark(migration, applied=False, operation="rollback")

    def drop(self) -> list[str]:
        """Drop yoyo's tables unless another application's migrations are recorded there.

        Returns:
            ids of those migrations; when there are any, only dbperf's records go.
        """
        ids = [m.id for m in migrations()]
        with search_path(self._conn, self._schema):
            others = self._conn.execute(
                "SELECT DISTINCT migration_id FROM _yoyo_log WHERE migration_id <> ALL (%s)"
                " UNION SELECT migration_id FROM _yoyo_migration",
                [ids],
            ).fetchall()
            if others:
                self._conn.execute("DELETE FROM _yoyo_log WHERE migration_id = ANY (%s)", [ids])
            for table in () if others else YOYO_TABLES:
                if _exists(self._conn, self._schema, table):
                    self._conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(self._schema, table)))
        return sorted(name for (name,) in others)

    def _record(self, migration: Migration, *, complete: bool) -> None:
        self._conn.execute(
            "INSERT INTO dbperf.migration (id, checksum, applied_at)"
            " VALUES (%(id)s, %(checksum)s, CASE WHEN %(complete)s THEN now() END)"
            " ON CONFLICT (id) DO UPDATE SET checksum = EXCLUDED.checksum, applied_at = EXCLUDED.applied_at",
            {"id": migration.id, "checksum": migration.checksum, "complete": complete},
        )

    def _mark(self, migration: Migration, *, applied: bool, operation: str) -> None:
        with search_path(self._conn, self._schema):
            marked = migration.yoyo.hash in self._yoyo.get_applied_migration_hashes()
            if marked == applied:
                return
            if applied:
                self._yoyo.mark_one(migration.yoyo, log=False)
            else:
                self._yoyo.unmark_one(migration.yoyo, log=False)
            self._yoyo.log_migration(migration.yoyo, operation)


def yoyo_home(conn: psycopg.Connection, state: State) -> str:
    """The schema for yoyo's tables: the one it is in, else the role's current one if it may create there.

    Raises:
        MigrationError: there is none.
    """
    if state.installed and state.yoyo_schema:
        return state.yoyo_schema
    if state.yoyo_schema is not None:
        row = conn.execute("SELECT has_schema_privilege(%s, 'CREATE')", [state.yoyo_schema]).fetchone()
        if row and row[0]:
            return state.yoyo_schema
    raise MigrationError(
        "the role may not create tables in the first schema of its search_path, where yoyo keeps its records: "
        "GRANT CREATE ON SCHEMA public, or ALTER ROLE … SET search_path to a schema of its own"
    )
