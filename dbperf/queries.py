"""The queries of the trading application, hand-written in ``sql/queries``, for psycopg.

Each begins with a comment that says what it returns and which parameters it has, named as psycopg
wants them: ``conn.execute(query("latest_tick"), {"instrument_id": 7})``. They find tables by the
``search_path``. Those without a time window read through functions of schema ``dbperf``, which
look into few partitions; on a table that has none they are plain queries.
"""

from __future__ import annotations

from typing import LiteralString

from dbperf import sqlfiles
from dbperf.errors import UsageError


def names() -> list[str]:
    """Every name that `query` knows."""
    return sorted(path.stem for path in (sqlfiles.sql_dir() / "queries").glob("*.sql"))


def query(name: str) -> LiteralString:
    """The text of ``sql/queries/<name>.sql``.

    Raises:
        UsageError: there is no such query.
    """
    if name not in names():
        raise UsageError(f"there is no query {name!r}: there are {', '.join(names())}")
    return sqlfiles.read(f"queries/{name}.sql")
