"""Which database is meant, and that no message holds a password."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dbperf import database, errors
from tests.support import dbperf as run_dbperf

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p@h:1/d", {"user": "u", "password": "p", "host": "h", "port": "1", "dbname": "d"}),
        ("postgres://u@h/d", {"user": "u", "host": "h", "dbname": "d"}),
        ("postgresql+psycopg2://u:p%40x@h/d", {"user": "u", "password": "p@x", "host": "h", "dbname": "d"}),
        (
            "postgresql+psycopg://u@/d?host=/tmp/a%20b&port=6",
            {"user": "u", "dbname": "d", "host": "/tmp/a b", "port": "6"},
        ),
        (
            "postgresql+asyncpg://u@h/d?ssl=require",
            {"user": "u", "host": "h", "dbname": "d", "sslmode": "require"},
        ),
        ("postgresql://u@h1:1,h2:2/d", {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "d"}),
        (
            "postgresql+psycopg2://u@/d?host=h1:1&host=h2:2",
            {"user": "u", "host": "h1,h2", "port": "1,2", "dbname": "d"},
        ),
        ("postgresql://%2Ftmp%2Fs/d", {"host": "/tmp/s", "dbname": "d"}),
        ("postgresql://[::1]:5/d", {"host": "::1", "port": "5", "dbname": "d"}),
        ("host=h dbname='d e' user=u", {"host": "h", "dbname": "d e", "user": "u"}),
        ("  postgresql://h/d\n", {"host": "h", "dbname": "d"}),
    ],
)
def test_forms_that_are_understood(given: str, expected: dict[str, str]) -> None:
    assert conninfo_to_dict(database.normalize(given)) == expected


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://u:{SECRET}@x@h/d",
        f"postgresql://u:{SECRET}/x@h/d",
        f"postgresql://u:{SECRET}?x@h/d",
        f"postgresql://u:{SECRET}#%zz@h:port/d",
        f"postgresql://u:{SECRET}@h:{SECRET}/d",
        f"mysql://u:{SECRET}@h/d",
        f"host=h password={SECRET} {SECRET}",
        f"postgresql://u@h/d?{SECRET}",
        f"postgresql://u@h/d?no_such_parameter={SECRET}",
        f"{SECRET}",
    ],
)
def test_what_is_not_understood_never_shows(given: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        database.normalize(given)
    assert SECRET not in str(caught.value)
    done = run_dbperf("--dsn", given, "status", check=64)
    assert SECRET not in done.stderr + done.stdout
    assert done.stderr.count("\n") == 1


def test_precedence(tmp_path: Path) -> None:
    everything = {
        "DBPERF_DSN": "dbname=b",
        "DATABASE_URL": "postgresql:///c",
        "PGHOST": "d",
        "DBPERF_HOME": str(tmp_path / "no"),
    }
    assert database.resolve("dbname=a", everything) == "dbname=a"
    assert database.resolve(None, everything) == "dbname=b"
    del everything["DBPERF_DSN"]
    assert conninfo_to_dict(database.resolve(None, everything)) == {"dbname": "c"}
    everything["DATABASE_URL"] = ""
    assert database.resolve(None, everything) == ""
    del everything["PGHOST"]
    with pytest.raises(errors.NoDatabaseError, match=r"--dsn.*dbperf server start"):
        database.resolve(None, everything | {"PGPASSWORD": "x", "PGSSLMODE": "require"})


def test_the_session_is_named_and_described(legacy_db: str) -> None:
    with database.connect(legacy_db) as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("dbperf",)
        assert "trading_owner" in database.describe(conn)
    with database.connect(f"{legacy_db} application_name=mine password={SECRET}") as conn:
        assert conn.execute("SHOW application_name").fetchone() == ("mine",)
        assert SECRET not in database.describe(conn)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    done = run_dbperf("status", dsn=f"postgresql://u:{SECRET}@/d?host={tmp_path}", check=1)
    assert SECRET not in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(psycopg.OperationalError):
        database.connect(f"host={tmp_path}")
