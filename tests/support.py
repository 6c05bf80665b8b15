"""What several tests share."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

import dbperf as package
from dbperf import cli

#: How long somebody may wait for dbperf: a promise for a machine that has nothing else to do; `tests/both.py`, which keeps
#: every core busy, gives more.
BUDGET_MS = float(os.environ.get("DBPERF_TEST_BUDGET_MS", "150"))


class Cluster:
    """A server under test, seen by its superuser."""

    def __init__(self, admin_dsn: str, owner: str) -> None:
        self.admin_dsn = admin_dsn
        self.owner = owner
        self._databases: list[str] = []
        self._conn: psycopg.Connection | None = None

    def create_owner(self) -> None:
        exists = self._connected().execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [self.owner]).fetchone()
        if not exists:
            self._run("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION", self.owner)

    def create_database(self, name: str, template: str = "template1") -> str:
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        # copies files: without fsync, half the work of writing every page to the log (the default)
        self._run("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy", name, template, self.owner)
        self._databases.append(name)
        return name

    def drop_database(self, name: str) -> None:
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._databases.remove(name)

    def drop_everything(self) -> None:
        for name in list(self._databases):
            self.drop_database(name)
        self.close()

    def close(self) -> None:
        if self._conn:
            self._conn.close()

    def dsn(self, database: str, user: str | None = None) -> str:
        return make_conninfo(self.admin_dsn, dbname=database, user=user or self.owner)

    def admin(self, database: str) -> psycopg.Connection:
        """A superuser's connection; for tests marked so."""
        return psycopg.connect(make_conninfo(self.admin_dsn, dbname=database), autocommit=True)

    def _run(self, statement: str, *names: str) -> None:
        self._connected().execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connected(self) -> psycopg.Connection:
        """One connection for all statements, and another one after the server was killed."""
        if self._conn:
            try:
                self._conn.execute("")
            except psycopg.OperationalError:
                self._conn = None
        self._conn = self._conn or psycopg.connect(self.admin_dsn, autocommit=True)
        return self._conn


def dbperf(
    *arguments: str, dsn: str | None = None, check: int | None = 0, **kwargs: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line; its exit code must be *check*, if given, and it must not end in a traceback.

    In this process, which is ten times faster, unless *kwargs* for `subprocess.run` ask for one of its own.
    """
    words = [*(["--dsn", dsn] if dsn else []), *arguments]
    if kwargs:
        command = [sys.executable, "-m", "dbperf", *words]
        done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120, **kwargs)
    else:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run(words)
        done = subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
    assert "Traceback" not in done.stderr, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    if check is not None:
        assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
    return done


def rows_hash(conn: psycopg.Connection, tables: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Count and order-independent hash of each table's rows, without the marks of soft delete.

    The same before and after a rebuild: columns by name, prices as the application reads them.
    """
    hashes = {}
    for table in tables:
        columns = conn.execute(
            "SELECT string_agg(format(CASE atttypid WHEN 'float8'::regtype THEN 't.%%I::numeric(12,4)' ELSE 't.%%I' END, attname), ', ' ORDER BY attname)"
            " FROM pg_attribute WHERE attrelid = %s::regclass"
            " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('deleted_at', 'deleted_batch')",
            [table],
        ).fetchone()
        assert columns is not None
        row = conn.execute(
            sql.SQL("SELECT count(*), sum(hashtextextended(ROW({})::text, 0)::numeric) FROM {} AS t").format(
                sql.SQL(columns[0]), sql.Identifier(*table.split("."))
            )
        ).fetchone()
        assert row is not None
        hashes[table] = row
    return hashes


def both_apis(name: str) -> list[Callable[..., Any]]:
    """The writer of this name and its twin in `dbperf.aio`, each on a connection of its own that commits when all went well."""

    def sync(dsn: str, *arguments: Any, **options: Any) -> Any:
        with psycopg.connect(dsn) as conn:
            return getattr(package, name)(conn, *arguments, **options)

    def asynchronous(dsn: str, *arguments: Any, **options: Any) -> Any:
        async def run() -> Any:
            async with await psycopg.AsyncConnection.connect(dsn) as conn:
                return await getattr(package.aio, name)(conn, *arguments, **options)

        return asyncio.run(run())

    return [sync, asynchronous]
