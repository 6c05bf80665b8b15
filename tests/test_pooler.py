"""A pooler in transaction mode is refused for migrations; one in session mode is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dbperf import errors
from dbperf.migrations import files, migrate, status
from dbperf.server import binaries
from tests.conftest import OWNER

Pooler = Callable[[str, str], str]


@pytest.fixture
def pooler(scratch: Path) -> Iterator[Pooler]:
    """Starts PgBouncer in a mode in front of a database; returns the DSN through it."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") or ""
    if not program:
        message = "PgBouncer is not installed: apt-get install pgbouncer"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with ExitStack() as stack:
        yield lambda dsn, mode: stack.enter_context(_pgbouncer(program, Path(tempfile.mkdtemp(dir=scratch)), dsn, mode))


@contextmanager
def _pgbouncer(program: str, place: Path, dsn: str, mode: str) -> Iterator[str]:
    given = conninfo_to_dict(dsn)
    runner = binaries.account()
    os.chown(place, runner.uid, runner.gid)
    (place / "users").write_text(f'"{OWNER}" ""\n')
    (place / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={given['host']} port={given['port']}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {place}\nauth_type = trust\n"
        f"auth_file = {place}/users\npool_mode = {mode}\nlogfile = {place}/log\n"
    )
    identity = {"user": runner.uid, "group": runner.gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, "-q", str(place / "pgbouncer.ini")], cwd="/", **identity)  # type: ignore[call-overload]
    through = make_conninfo(dsn, host=str(place), port=6432)
    deadline = time.monotonic() + 10
    try:
        while not (place / ".s.PGSQL.6432").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield through
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif("DBPERF_TEST_DSN" in os.environ, reason="the pooler needs a server that trusts it")
def test_transaction_pooling_is_refused(legacy_db: str, pooler: Pooler) -> None:
    with pytest.raises(errors.PoolerError, match="pooler in transaction mode"):
        migrate(pooler(legacy_db, "transaction"))
    with psycopg.connect(legacy_db) as conn:
        assert [m.state for m in status(conn).migrations] == ["pending"] * len(files.migrations())


@pytest.mark.skipif("DBPERF_TEST_DSN" in os.environ, reason="the pooler needs a server that trusts it")
def test_session_pooling_is_not(legacy_db: str, pooler: Pooler) -> None:
    migrate(pooler(legacy_db, "session"))
    with psycopg.connect(legacy_db) as conn:
        assert status(conn).code == 0
