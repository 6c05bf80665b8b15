"""``--dry-run``: each statement with its lock, compared with pg_locks while it really runs."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import psycopg
import pytest

from dbperf.migrations import files, library, locks, migrate, rollback, session
from tests import catalogue
from tests.support import dbperf as run_dbperf

#: Weakest first; a statement's declared lock is the strongest that it takes on a relation.
MODES = [
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
]  # fmt: skip

_LOCKS = """
SELECT l.relation::regclass::text, l.mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
WHERE l.pid = %s AND l.granted AND l.locktype = 'relation' AND c.relkind IN ('r', 'v', 'i')
  AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
"""


def _mode(name: str) -> str:
    return name.title().replace(" ", "") + "Lock"


def _strongest(rows: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for relation, mode in rows:
        if relation not in found or MODES.index(mode) > MODES.index(found[relation]):
            found[relation] = mode
    return found


def test_it_changes_nothing_and_shows_every_statement(legacy_db: str) -> None:
    with psycopg.connect(legacy_db, autocommit=True) as conn:
        before = catalogue.dump(conn)
        lines = migrate(legacy_db, dry_run=True)
        assert catalogue.dump(conn) == before
    text = "\n".join(lines)
    for migration in files.migrations():
        assert f"-- {migration.id}" in lines
        if migration.bootstrap:
            assert all(statement in text for statement in migration.statements)
    for file in files.library():
        assert file.statements[0] in text
    assert "DROP INDEX CONCURRENTLY public.ix_market_data_instrument;" in lines
    assert "not known" not in text
    statements = [line for line in lines if not line.startswith("--")]
    assert sum(line.startswith("-- lock:") for line in lines) == len(statements)


def test_on_an_empty_and_on_a_current_database(empty_db: str, upgraded_db: str) -> None:
    lines = migrate(empty_db, dry_run=True)
    assert "DROP INDEX CONCURRENTLY public.ix_market_data_instrument;" in lines
    assert run_dbperf("migrate", "--dry-run", dsn=upgraded_db).stdout == "-- nothing to do\n"


def test_what_it_shows_is_what_runs(legacy_db: str) -> None:
    plans = {f"-- {m.id}" for m in files.migrations() if not m.transactional}
    shown, inside = [], False
    for line in migrate(legacy_db, dry_run=True):
        if line.startswith("-- ") and not line.startswith("-- lock:"):
            inside = line in plans
        elif inside and not line.startswith("--"):
            shown.append(line.rstrip(";"))
    ran: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        plan = session.run_plan

        def recording(conn: psycopg.Connection, text: str, schema: str) -> list[str]:
            done = plan(conn, text, schema)
            ran.extend(done)
            return done

        patch.setattr(session, "run_plan", recording)
        migrate(legacy_db)
    assert ran == shown


def test_transactional_statements_take_the_locks_that_are_shown(legacy_db: str) -> None:
    """Every statement of the bootstrap migrations and the library, one transaction each."""
    bootstrap = [m for m in files.migrations() if m.bootstrap]
    with session.open_session(legacy_db, lambda text: None) as conn:
        existing = {
            row[0]
            for row in conn.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            )
        }
        todo = [statement for m in bootstrap[:1] for statement in m.statements]
        todo += [statement for file in files.library() if not file.late for statement in file.statements]
        todo += [statement for m in bootstrap[1:] for statement in m.statements]
        todo += [statement for file in files.library() if file.late for statement in file.statements]
        for statement in todo:
            with conn.transaction():
                conn.execute("SET LOCAL search_path = public")
                declared = locks.locks_of(statement, lambda name: library.described(conn, name), lambda index: None)
                assert declared is not None, statement
                conn.execute(statement.encode())
                taken = _strongest(conn.execute(_LOCKS, [conn.info.backend_pid]).fetchall())
            if statement.startswith("SELECT"):
                # nothing stronger than said on what was there; the baseline's tables are its own
                assert {taken[name] for name in existing & taken.keys()} <= {"AccessShareLock"}
                assert str(declared[0]).endswith(("on adopted tables", "on the table, if it makes it"))
                continue
            for lock in declared:
                name = lock.relation.replace('"', "")
                assert taken.get(name) == _mode(lock.mode), (statement, taken)
            unsaid = {
                n: m
                for n, m in taken.items()
                if n not in {x.relation for x in declared} and not n.endswith(("_pkey", "_key"))
            }
            assert set(unsaid.values()) <= {"AccessShareLock"} | (
                {"AccessExclusiveLock"} if re.match("CREATE (UNIQUE )?INDEX", statement) else set()
            ), (statement, taken)


def _sample_while_it_waits(dsn: str, run: Callable[[], object], blocked: str) -> list[tuple[str, dict[str, str]]]:
    """Run migrations beside a writer that makes every CONCURRENTLY statement wait; sample its locks then."""
    samples: list[tuple[str, dict[str, str]]] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            run()
        except BaseException as error:
            failure.append(error)

    with psycopg.connect(dsn, autocommit=True) as watch, psycopg.connect(dsn) as writer:
        writer.execute(f"LOCK TABLE {blocked} IN ROW EXCLUSIVE MODE".encode())
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            row = watch.execute(
                "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(DROP|CREATE) INDEX CONCURRENTLY'"
                " AND wait_event_type = 'Lock' AND state = 'active' AND %s = ANY (pg_blocking_pids(pid))",
                [writer.info.backend_pid],
            ).fetchone()
            if row:
                samples.append((row[1], _strongest(watch.execute(_LOCKS, [row[0]]).fetchall())))
                writer.commit()  # lets this statement go on; the next one waits for us again
                writer.execute(f"LOCK TABLE {blocked} IN ROW EXCLUSIVE MODE".encode())
        thread.join()
    assert not failure, failure
    return samples


@pytest.mark.parametrize("table", ["market_data", "alert_logs", "instruments"])
def test_concurrent_statements_take_the_locks_that_are_shown(legacy_db: str, table: str) -> None:
    samples = _sample_while_it_waits(legacy_db, lambda: migrate(legacy_db, to="0005"), table)
    samples += _sample_while_it_waits(legacy_db, lambda: rollback(legacy_db, to="0002"), table)
    seen = {statement.split()[0] for statement, _ in samples}
    assert seen == {"DROP", "CREATE"}
    for statement, taken in samples:
        declared = locks.locks_of(statement, lambda name: None, lambda index: table)
        assert declared
        for lock in declared:
            relation = lock.relation.removeprefix("public.")
            if relation in taken:  # the last wait of a statement may come after it let the index go
                assert taken[relation] == _mode(lock.mode), (statement, taken)
        assert taken.get(table) == "ShareUpdateExclusiveLock", (statement, taken)


def test_plans_take_no_lock_on_the_tables(legacy_db: str) -> None:
    """They only look; what they return takes the locks."""
    migrate(legacy_db, to="0010")
    with session.open_session(legacy_db, lambda text: None) as conn:
        for migration in files.migrations():
            for plan in () if migration.transactional else (*migration.statements, *migration.rollback):
                declared = locks.locks_of(plan, lambda name: library.described(conn, name), lambda index: None)
                assert declared is not None
                assert str(declared[0]).startswith(("none", "ACCESS SHARE on"))
                with conn.transaction(force_rollback=True):
                    conn.execute(plan.encode())
                    taken = _strongest(conn.execute(_LOCKS, [conn.info.backend_pid]).fetchall())
                assert {mode for name, mode in taken.items() if not name.startswith("dbperf.")} <= {"AccessShareLock"}


def test_forgetting_locks_only_what_dbperf_made(empty_db: str) -> None:
    migrate(empty_db, to="0002")
    with session.open_session(empty_db, lambda text: None) as conn:
        made = {row[0] for row in conn.execute("SELECT relation::oid::bigint FROM dbperf.trading_table")}
        statement = "SELECT dbperf.forget_trading_tables()"
        declared = locks.locks_of(statement, lambda name: library.described(conn, name), lambda index: None)
        assert [str(lock) for lock in declared or []] == ["ACCESS EXCLUSIVE on the tables that dbperf made"]
        with conn.transaction(force_rollback=True):
            conn.execute(statement)
            query = "SELECT relation::bigint, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted"
            taken = {relation for relation, mode in conn.execute(query.encode()) if mode == "AccessExclusiveLock"}
    assert made <= taken
