"""Which database, and a connection to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dbperf import server
from dbperf.errors import NoDatabaseError, UsageError

#: libpq's variables that choose a database; the others (PGPASSWORD, PGSSLMODE …) only say how to reach it.
LIBPQ_CHOICE = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER")

_URL = re.compile(r"^(?:postgres|postgresql)(?:\+\w+)?://(?P<rest>.*)$", re.DOTALL)


def resolve(dsn: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Return the libpq connection string of the database that is meant.

    In this order: *dsn*, ``DBPERF_DSN``, ``DATABASE_URL``, libpq's ``PG*`` (the string is then
    empty, libpq reads them itself), the embedded server if its directory exists already; it is
    started when it does not run.

    Raises:
        NoDatabaseError: nothing names a database.
        UsageError: the string cannot be understood.
    """
    environ = os.environ if environ is None else environ
    sources = (
        ("--dsn", dsn),
        ("DBPERF_DSN", environ.get("DBPERF_DSN")),
        ("DATABASE_URL", environ.get("DATABASE_URL")),
    )
    for source, value in sources:
        if value:
            return normalize(value, source)
    if any(environ.get(name) for name in LIBPQ_CHOICE):
        return ""
    home = server.default_home(environ)
    if home.is_dir():
        return server.Server(home).start()
    raise NoDatabaseError(
        "no database is named: pass --dsn, set DATABASE_URL, or run 'dbperf server start' for an embedded one"
    )


def normalize(dsn: str, source: str = "the connection string") -> str:
    """Turn SQLAlchemy's URL forms into what libpq reads; libpq's own forms pass through.

    ``postgres://``, ``postgresql+psycopg2://``, ``+asyncpg`` and the like lose their driver,
    repeated ``host=`` parameters become a host list, and asyncpg's ``ssl`` becomes ``sslmode``.

    Raises:
        UsageError: it cannot be parsed. The message never repeats any part of *dsn*: a wrongly
            quoted password can stand anywhere in it.
    """
    dsn = dsn.strip()
    url = _URL.match(dsn)
    if url:
        dsn = _libpq_url(url["rest"], source)
    elif "://" in dsn.split("=", 1)[0]:
        raise UsageError(f"{source} is not a PostgreSQL URL: it must begin with postgresql://")
    try:
        port = conninfo_to_dict(dsn).get("port")
        if port and not re.fullmatch(r"[\d,]*", str(port)):  # libpq would find out later, and repeat it
            raise psycopg.ProgrammingError
    except psycopg.ProgrammingError:
        raise UsageError(
            f"{source} is not a connection string that libpq understands: "
            "percent-encode special characters in a URL, quote values in key=value form"
        ) from None
    return dsn


def _libpq_url(rest: str, source: str) -> str:
    base, _, query = rest.partition("?")
    authority, _, _ = base.partition("/")
    # An unquoted '@', '/' or '?' in a password would make libpq look up half of it as a host name.
    if base.count("@") > 1 or ("@" in rest and "@" not in authority and ":" in authority):
        raise UsageError(f"{source} holds an unquoted @, / or ? in its user or password: percent-encode it")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise UsageError(f"{source} has a query part that is not name=value&name=value") from None
    return f"postgresql://{base}" + _libpq_query(pairs)


def _libpq_query(pairs: list[tuple[str, str]]) -> str:
    hosts = [value for name, value in pairs if name == "host"]
    others = [("sslmode" if name == "ssl" else name, value) for name, value in pairs if name != "host"]
    if len(hosts) > 1:  # SQLAlchemy: host=h1:5432&host=h2:5433
        names, ports = zip(*((h.partition(":")[0], h.partition(":")[2]) for h in hosts), strict=True)
        others.append(("host", ",".join(names)))
        if any(ports):
            others.append(("port", ",".join(ports)))
    elif hosts:
        others.append(("host", hosts[0]))
    return f"?{urlencode(others, quote_via=quote)}" if others else ""


def connect(dsn: str | None = None, **kwargs: Any) -> psycopg.Connection:
    """Connect to the database that *dsn* or the environment names (see `resolve`).

    Keyword arguments go to `psycopg.Connection.connect`. The session is named ``dbperf`` in
    ``pg_stat_activity`` unless *dsn* names it otherwise.

    Raises:
        NoDatabaseError, UsageError: see `resolve`.
        psycopg.OperationalError: the server cannot be reached.
    """
    return psycopg.Connection.connect(conninfo(resolve(dsn)), **kwargs)


def conninfo(dsn: str) -> str:
    """*dsn* with dbperf's defaults for what it does not say."""
    given: dict[str, Any] = conninfo_to_dict(dsn)
    if "application_name" not in given and "PGAPPNAME" not in os.environ:
        given["application_name"] = "dbperf"
    given["client_encoding"] = "UTF8"  # statements and names are sent so, whatever PGCLIENTENCODING says
    return make_conninfo(**given)


def describe(conn: psycopg.Connection) -> str:
    """Host, database and role of *conn* in words, without any secret."""
    info = conn.info
    host = info.host or "the local socket"
    where = host if host.startswith("/") else f"{host}:{info.port}"
    version = ".".join(str(part) for part in divmod(info.server_version, 10000))
    return f"database {info.dbname} on {where} as {info.user} (PostgreSQL {version})"
