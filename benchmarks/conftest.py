"""Two databases with the same ticks, one migrated, on an embedded server of their own.

``BENCH_TICKS`` sets their size (1 M by default; the figures of docs/decisions.md name theirs).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from benchmarks import demo
from dbperf.server import Server, default_home


@contextmanager
def database(name: str) -> Iterator[str]:
    """The URL of an empty database on the embedded server, dropped in the end."""
    server = Server(default_home())
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(server.start(), autocommit=True) as admin:
        admin.execute(drop)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield server.url(name)
        admin.execute(drop)


@dataclass
class Pair:
    """The same database before and after the migrations."""

    before: psycopg.Connection
    after: psycopg.Connection


@pytest.fixture(scope="session")
def pair() -> Iterator[Pair]:
    server = Server(default_home())
    url = server.start()
    demo.make(server, url, int(os.environ.get("BENCH_TICKS", "1_000_000")))
    with (
        psycopg.connect(server.url(demo.BEFORE), autocommit=True) as before,
        psycopg.connect(server.url(demo.AFTER), autocommit=True) as after,
    ):
        yield Pair(before, after)
