"""``make demo``: a legacy database of a million ticks, beside the same one migrated.

Both are kept and measured in alternation, so that a machine whose speed drifts slows both.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import psycopg
from psycopg import sql

from benchmarks import workload
from dbperf import legacy, load, migrations, rebuild
from dbperf.errors import DbperfError, sentence
from dbperf.migrations import session
from dbperf.server import Server, default_home

TICKS = 1_000_000
BEFORE, AFTER = "dbperf_demo_legacy", "dbperf_demo"
SYMBOL = "DEMO"

#: Rounds of alternation; the median of each side counts.
INSERT_ROUNDS, QUERY_ROUNDS = 5, 5

#: What writes what, how many rows a round.
WRITERS: dict[str, tuple[workload.Writer, Callable[[int], Iterator[workload.Values]], int]] = {
    "ticks, one committed INSERT each": (workload.insert_committed, workload.ticks, 500),
    "ticks, executemany": (workload.insert_many, workload.ticks, 5_000),
    "ticks, dbperf.copy_rows": (workload.copy_ticks, workload.ticks, 40_000),
    "alerts, dbperf.copy_rows": (workload.copy_alerts, workload.alerts, 10_000),
}

Line = tuple[str, str, str, str]


def step(text: str) -> None:
    """Say what happens now."""
    click.echo(f"── {text}", err=True)


def make(server: Server, url: str, ticks: int = TICKS) -> None:
    """The legacy database, and a copy of it that is migrated."""
    with psycopg.connect(url, autocommit=True) as admin:
        for name in (BEFORE, AFTER):
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(BEFORE)))
        step(f"dbperf legacy create --ticks {ticks:_}")
        with psycopg.connect(server.url(BEFORE), autocommit=True) as conn:
            legacy.create(conn, ticks=ticks)
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(AFTER), sql.Identifier(BEFORE)
        )
        admin.execute(copy)
    step("dbperf migrate, on a copy")
    started = time.perf_counter()
    done = migrations.migrate(server.url(AFTER))
    step(f"   {len(done)} migrations in {time.perf_counter() - started:.2f} s")
    with session.open_session(server.url(AFTER), lambda text: None) as conn:
        for table in ("market_data", "alert_logs"):  # what is kept for a way back costs something until then
            rebuild.finalize(conn, table)
    for name in (BEFORE, AFTER):
        with psycopg.connect(server.url(name), autocommit=True) as conn:
            conn.execute("VACUUM (ANALYZE)")
            conn.execute("CHECKPOINT")


def alternate(
    before: psycopg.Connection, after: psycopg.Connection, rounds: int, measure: Callable[[psycopg.Connection], float]
) -> tuple[float, float]:
    """Medians of *measure* on both sides, taken in turn."""
    taken = workload.in_turn((before, after), rounds, measure)
    return statistics.median(taken[before]), statistics.median(taken[after])


def query_lines(before: psycopg.Connection, after: psycopg.Connection) -> list[Line]:
    lines = []
    for name, words in workload.QUERIES.items():
        given = {conn: (workload.application_text(name), workload.parameters(conn, name)) for conn in (before, after)}
        old, new = alternate(
            before,
            after,
            QUERY_ROUNDS,
            lambda conn, given=given: workload.median_ms(conn, *given[conn]),  # type: ignore[misc]
        )
        lines.append((words, f"{old:.2f} ms", f"{new:.2f} ms", f"{old / new:.2f} × as fast"))
    return lines


def insert_lines(before: psycopg.Connection, after: psycopg.Connection) -> list[Line]:
    lines = []
    for words, (write, make_rows, count) in WRITERS.items():
        rows = list(make_rows(count))
        old, new = alternate(
            before,
            after,
            INSERT_ROUNDS,
            lambda conn, write=write, rows=rows: workload.rate(conn, write, rows),  # type: ignore[misc]
        )
        lines.append((words, f"{old:,.0f} /s", f"{new:,.0f} /s", f"{new / old:.2f} × as many"))
    return lines


def size_lines(before: psycopg.Connection, after: psycopg.Connection) -> list[Line]:
    query = (
        "SELECT count(*), sum(coalesce(t.size, pg_relation_size(i.indexrelid))) / 1048576.0 FROM pg_index AS i"
        " CROSS JOIN LATERAL"
        " (SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(i.indexrelid) AS p) AS t (size)"
        " WHERE i.indrelid = to_regclass(%s)"
    )
    lines, both = [], (before, after)
    for table in ("market_data", "alert_logs", "instruments"):
        (old, old_size), (new, new_size) = (conn.execute(query, [table]).fetchone() or (0, 0) for conn in both)
        lines.append(
            (f"indexes of {table}", f"{old} ({old_size:.0f} MB)", f"{new} ({new_size:.0f} MB)", f"{new - old:+d}")
        )
    return lines


def hot_line(before: psycopg.Connection, after: psycopg.Connection) -> Line:
    """How many updates of an instrument's last tick are heap-only (HOT): they write into no index."""

    def share(conn: psycopg.Connection) -> str:
        counts = "pg_stat_get_tuples_updated(c), pg_stat_get_tuples_hot_updated(c)"
        query = f"SELECT {counts} FROM to_regclass('instruments') AS c"
        with psycopg.connect(conn.info.dsn, autocommit=True) as updater:
            updater.execute("VACUUM FULL instruments")
            first = updater.execute(query.encode()).fetchone() or (0, 0)
            for _ in range(50):
                updater.execute("UPDATE instruments SET last_tick = last_tick + interval '1 second' WHERE id = 2")
            updater.execute("SELECT pg_stat_force_next_flush()")
            last = updater.execute(query.encode()).fetchone() or (0, 0)
        return f"{100 * (last[1] - first[1]) / (last[0] - first[0]):.0f} %"

    return ("heap-only updates of last_tick", share(before), share(after), "")


def delete_line(before: psycopg.Connection, after: psycopg.Connection) -> Line:
    """What is left of the history when somebody deletes one instrument; taken back on both sides."""

    def lost(conn: psycopg.Connection) -> str:
        tables = ("instruments", "alert_rules", "market_data", "alert_logs")
        query = "SELECT " + " + ".join(f"(SELECT count(*) FROM {name})" for name in tables)
        with conn.transaction(force_rollback=True):
            first = conn.execute(query.encode()).fetchone() or (0,)
            try:
                with conn.transaction():
                    conn.execute("DELETE FROM instruments WHERE id = 2")
            except psycopg.errors.ForeignKeyViolation:
                return "refused"
            last = conn.execute(query.encode()).fetchone() or (0,)
        return f"{first[0] - last[0]:,} rows lost"

    return ("DELETE FROM instruments …", lost(before), lost(after), "")


def load_file(conn: psycopg.Connection, path: Path) -> str:
    with load.Source(path) as source:
        header = [name.lower() for name in load.reader_of(source).header]
        rounded = ("volume",) if "volume" in header else ()
        options = load.Options("market_data", SYMBOL, create_instrument=True, rounded=rounded)
        with click.progressbar(length=source.size, label=source.label, file=sys.stderr) as bar:
            return load.load(conn, source, options, bar.update).in_words(source.label)


def table(sections: dict[str, list[Line]]) -> str:
    """One table, before and after."""
    text = [f"{'':34}{'legacy':>16}{'dbperf':>16}   "]
    for title, lines in sections.items():
        text.append(title)
        text += [f"  {words:32}{old:>16}{new:>16}   {change}" for words, old, new, change in lines]
    return "\n".join(text)


def run(path: Path) -> None:
    """The whole demonstration."""
    if not path.is_file():
        raise DbperfError(f"there is no file {path}: make demo CSV=/path/to/bars.csv")
    with load.Source(path) as source:
        load.reader_of(source)  # before anything is made
    started = time.perf_counter()
    server = Server(default_home())
    step(f"dbperf server start, in {server.home.name}/")
    url = server.start()
    make(server, url)
    with (
        psycopg.connect(server.url(BEFORE), autocommit=True) as before,
        psycopg.connect(server.url(AFTER), autocommit=True) as after,
    ):
        step("the application's queries and inserts, on both in turn")
        sections = {
            "queries (median, prepared, warm)": query_lines(before, after),
            "inserts, rows": insert_lines(before, after),
            "what they pay for": [*size_lines(before, after), hot_line(before, after)],
            "one instrument is deleted by mistake": [delete_line(before, after)],
        }
        step(f"dbperf load {path} --table market_data --instrument {SYMBOL} --create-instrument --round volume")
        loaded = load_file(after, path)
        version = after.execute("SHOW server_version").fetchone()
    click.echo(f"\n{TICKS:,} ticks, PostgreSQL {version[0] if version else '?'}, {os.cpu_count()} processors\n")
    click.echo(table(sections))
    click.echo(f"\n{loaded}")
    click.echo(
        f"\n{time.perf_counter() - started:.0f} s in all. Look around: .venv/bin/dbperf server psql -- -d {AFTER}"
    )


def main() -> int:
    """Exit code."""
    try:
        run(Path(sys.argv[1]))
    except (DbperfError, psycopg.Error, OSError) as error:
        click.echo(f"make demo: {sentence(error)}", err=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


for name in list(os.environ):  # it makes its own server, whatever the environment says
    if name.startswith("PG"):
        del os.environ[name]

if __name__ == "__main__":
    sys.exit(main())
