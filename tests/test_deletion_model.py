"""Soft delete against a model: nothing lost, doubled or orphaned, whatever three transactions do in turn.

One thread decides, three connections execute. A statement that has to wait for another transaction (pg_blocking_pids
says so) is left waiting while that one ends, or does something more first; then it must have done what the model
says about the rows as they are afterwards.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.deletion_model import (
    CHANGED,
    COMMITTED,
    DEADLOCK,
    FOREIGN,
    REPEATABLE,
    SERIALIZABLE,
    TABLES,
    Effect,
    Holds,
    Key,
    Mark,
    Model,
    Row,
    Shape,
    State,
    Transaction,
    below_marked,
    mixtures,
    orphans,
    overlay,
)
from tests.support import Cluster

#: Per world; more of them to hunt.
EXAMPLES, STEPS = 8, 50

IDS = 9


class Where(NamedTuple):
    sql: str
    holds: Holds


class Turn(NamedTuple):
    """Whose it is, the level of the transaction that it begins, whether that ends in COMMIT, and what blockers do."""

    session: int
    level: str
    commits: bool
    release: str
    touched: int


class World:
    """A parent with a child table that has INSERT triggers and one that has not (hot)."""

    def __init__(self, dsn: str, shape: Shape) -> None:
        self.name, self.shape = shape.name, shape
        self.relations: list[str] = []
        with psycopg.connect(dsn) as conn:
            conn.execute(f"CREATE SCHEMA {self.name}".encode())
            for table in TABLES:
                self._create(conn, table)
            for table in TABLES:
                hot = {"cold": "false", "hot": "true"}.get(table, "NULL")
                conn.execute(f"SELECT dbperf.enable_soft_delete('{self.name}.{table}', hot => {hot})".encode())

    def _create(self, conn: psycopg.Connection, table: str) -> None:
        name, column = f"{self.name}.{table}", "id" if table == "parent" else "part"
        inner = "id integer NOT NULL, part integer NOT NULL, value integer NOT NULL, parent integer"
        self.relations.append(name)
        if table not in self.shape.partitioned:
            conn.execute(f"CREATE TABLE {name} ({inner}, PRIMARY KEY (id))".encode())
        else:
            first, key = (3, "id") if column == "id" else (1, "id, part")
            conn.execute(
                f"""CREATE TABLE {name} ({inner}, PRIMARY KEY ({key})) PARTITION BY RANGE ({column});
                CREATE TABLE {name}_0 (parent integer, gone text, value integer NOT NULL, part integer NOT NULL, id integer NOT NULL);
                ALTER TABLE {name}_0 DROP COLUMN gone;
                ALTER TABLE {name} ATTACH PARTITION {name}_0 FOR VALUES FROM (MINVALUE) TO ({first});
                CREATE TABLE {name}_1 PARTITION OF {name} FOR VALUES FROM ({first}) TO (MAXVALUE) PARTITION BY RANGE (id);
                CREATE TABLE {name}_1a PARTITION OF {name}_1 FOR VALUES FROM (MINVALUE) TO (4);
                CREATE TABLE {name}_1b PARTITION OF {name}_1 FOR VALUES FROM (4) TO (MAXVALUE)""".encode()
            )
            self.relations += [f"{name}_{leaf}" for leaf in ("0", "1", "1a", "1b")]
        if table in self.shape.children:
            action = "DEFERRABLE INITIALLY DEFERRED" if self.shape.waits else "ON DELETE RESTRICT"
            key = f"FOREIGN KEY (parent) REFERENCES {self.name}.parent (id) {action}"
            conn.execute(f"ALTER TABLE {name} ADD {key}".encode())

    def empty(self, conn: psycopg.Connection) -> None:
        switch = "".join(f"ALTER TABLE {r} {{0}} TRIGGER dbperf_refuse_truncate;" for r in self.relations)
        truncate = f"TRUNCATE {', '.join(f'{self.name}.{table}' for table in TABLES)};"
        conn.execute((switch.format("DISABLE") + truncate + switch.format("ENABLE")).encode())

    def read(self, conn: psycopg.Connection) -> State:
        query = " UNION ALL ".join(
            f"SELECT '{t}', id, part, value, parent, deleted_batch, deleted_at FROM {self.name}.{t}" for t in TABLES
        )
        rows = conn.execute(query.encode()).fetchall()
        assert all((row[5] is None) == (row[6] is None) for row in rows)
        found = {Key(*r[:3]): Row(r[3], r[4], Mark(r[5], r[6]) if r[5] else None) for r in rows}
        assert len(found) == len(rows), f"doubled: {sorted(map(str, rows))}"
        return found


class Session:
    """A connection, the thread that executes its statements, and its transaction."""

    def __init__(self, dsn: str) -> None:
        # nothing waits for long: whoever is waited for ends, and deadlocks are found sooner than that
        self.conn = psycopg.connect(dsn, autocommit=True, options="-c lock_timeout=20s -c client_min_messages=error")
        self.pid = self.conn.info.backend_pid
        self.thread = ThreadPoolExecutor(1)
        self.transaction: Transaction | None = None

    def begin(self, model: Model, isolation: str) -> Transaction:
        self.conn.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        row = self.conn.execute("SELECT pg_current_xact_id()::text::bigint, transaction_timestamp()").fetchone()
        assert row is not None
        self.transaction = Transaction(model, isolation, Mark(*row))
        return self.transaction

    def end(self) -> None:
        self.transaction = None
        self.conn.rollback()

    def close(self) -> None:
        self.thread.shutdown()
        self.conn.close()


numbers = st.integers(0, 2**20)
tables = st.sampled_from(TABLES)
levels = st.sampled_from([COMMITTED, COMMITTED, COMMITTED, REPEATABLE, SERIALIZABLE])
releases = st.sampled_from(["commit", "commit", "roll back", "touch"])
turns = st.builds(Turn, st.integers(0, 2), levels, st.sampled_from([False, False, True]), releases, numbers)
columns = st.sampled_from(["value", "parent", "id", "part"])
leaves = st.sampled_from(["", "", "", "_0", "_1", "_1a", "_1b"])
kinds = st.sampled_from(["theirs", "row", "theirs", "leaf", "row", "leaf", "half", "below", "marked", "all"])


def where(kind: str, number: int, table: str, state: State, theirs: set[Key]) -> Where:
    """Rows of the table, mostly one: of all, of those that nobody references, of those that another transaction holds."""
    there = {key.id for key in state if key.table == table}
    if kind == "leaf" and table == "parent":
        there -= {row.parent for row in state.values() if row.mark is None}
    elif kind == "theirs":
        there &= {key.id for key in theirs if key.table == table}
    if kind in ("row", "leaf", "theirs"):
        kind = "id"
        number = sorted(there)[number % len(there)] if there else number % IDS
    number %= IDS
    return {
        "id": Where(f"t.id = {number}", lambda k, r: k.id == number),
        "half": Where(f"t.id % 2 = {number % 2}", lambda k, r: k.id % 2 == number % 2),
        "below": Where(f"t.parent = {number}", lambda k, r: r.parent == number),
        "marked": Where("t.deleted_at IS NOT NULL", lambda k, r: r.mark is not None),
        "all": Where("true", lambda k, r: True),
    }[kind]


deeds = st.sampled_from(["delete", "delete", "soft delete", "insert", "insert", "adopt", "update"])

FORMS = {
    "plain": "DELETE FROM {t} AS t WHERE {where}",
    "using": "DELETE FROM {t} AS t USING generate_series(1, 2) AS g WHERE g > 0 AND {where}",
    "cte": "WITH gone AS (DELETE FROM {t} AS t WHERE {where} RETURNING t.id) SELECT FROM gone",
    "merge": "MERGE INTO {t} AS t USING (VALUES (1)) AS v (x) ON v.x = 1 AND {where} WHEN MATCHED THEN DELETE",
    "view": "DELETE FROM {t}_active AS t WHERE {where}",
    "by hand": "UPDATE {t} AS t SET deleted_at = transaction_timestamp(), deleted_batch = dbperf.current_batch()"
    " WHERE {where} AND t.deleted_at IS NULL",
}


class Deletions(RuleBasedStateMachine):
    world: ClassVar[World]
    sessions: ClassVar[list[Session]]
    observer: ClassVar[psycopg.Connection]

    def __init__(self) -> None:
        super().__init__()
        self.shape = self.world.shape
        self.model = Model(self.shape)
        self.values = itertools.count(1)
        self.waiting: dict[int, Future[Any]] = {}
        self.committing = 0
        self.crossed = False  # a transaction that is waited for had to wait itself

    @initialize()
    def fill(self) -> None:
        self.world.empty(self.observer)
        for table, n in itertools.product(TABLES, range(4)):
            parent = None if table == "parent" and (n == 0 or not self.shape.families) else n // 2
            insert = f"INSERT INTO {self.world.name}.{table} (id, part, value, parent) VALUES (%s, 0, 0, %s)"
            self.observer.execute(insert.encode(), [n, parent])
            self.model.commit({Key(table, n, 0): self.model.put(Row(0, parent, None))})

    # What transactions see, whom they wait for, and how they end

    def begun(self, turn: Turn) -> tuple[Session, Transaction]:
        s = self.sessions[turn.session]
        if s.transaction is None:
            self.set_savepoint(s, s.begin(self.model, turn.level), wanted=turn.touched % 2 == 0)
        assert s.transaction
        return s, s.transaction

    def set_savepoint(self, s: Session, t: Transaction, *, wanted: bool = True) -> None:
        if wanted:
            t.savepoints.append(dict(t.changes))
            s.conn.execute(f"SAVEPOINT s{len(t.savepoints)}".encode())

    def others(self, t: Transaction) -> list[Transaction]:
        return [s.transaction for s in self.sessions if s.transaction and s.transaction is not t]

    def theirs(self, t: Transaction) -> set[Key]:
        """What other transactions have locked: rows that they changed, and the parents of those."""
        keys: set[Key] = set()
        for other in self.others(t):
            parents = {row.parent for row in other.changes.values() if row and row.parent is not None}
            keys |= other.changes.keys() | {Key("parent", parent, 0) for parent in parents}
        return keys

    def wait_for(self, s: Session, work: Callable[[], Any], turn: Turn) -> Any:
        """What the work returns; transactions that it has to wait for are ended as the turn says."""
        self.crossed = bool(self.waiting)
        if not any(other.transaction for other in self.sessions if other is not s):
            return work()
        self.waiting[s.pid] = future = s.thread.submit(work)
        try:
            while not wait([future], 0.001).done:
                row = self.observer.execute("SELECT pg_blocking_pids(%s)", [s.pid]).fetchone()
                for blocker in [b for b in self.sessions if row and b.pid in row[0] and b.transaction]:
                    if blocker.pid not in self.waiting:
                        hypothesis.event(f"waits for somebody who will {turn.release}")
                        self.release(blocker, turn)
                        break
                    if self.waiting[blocker.pid].done():  # it failed, but has not been rolled back
                        blocker.end()
        finally:
            del self.waiting[s.pid]
        return future.result()

    def release(self, s: Session, turn: Turn) -> None:
        hypothesis.note(f"{s.pid} is waited for, and will {turn.release}")
        after = turn._replace(session=self.sessions.index(s), commits=False, release="commit")
        if turn.release == "touch":
            self.change(after, TABLES[turn.touched % 3], "row", turn.touched // 3, "value")
        if s.transaction:
            s.end() if turn.release == "roll back" else self.commit_of(s, after)

    def run(
        self, turn: Turn, statement: str, effect: Effect, read: Callable[[Any], Any], *, looks_again: bool = False
    ) -> None:
        """Run the statement: it must report and do what the model says, or be refused for a reason that that gives.

        One that `looks_again` may find rows that were committed while it waited.
        """
        s, t = self.begun(turn)
        before, began_at = t.view(), len(self.model.history) - 1
        hypothesis.note(f"{s.pid} {t.isolation}: {statement}")
        error, reported = None, None
        try:
            reported = self.wait_for(s, lambda: read(s.conn.execute(statement.encode())), turn)
        except psycopg.Error as raised:
            error = raised
        if s.transaction is not t:  # somebody could not go on without its end
            assert error
            return

        latest = effect(t.latest(), t.latest())
        if t.above:
            plans = [effect(before, before)]
            reasons = plans[0].refusals | latest.refusals | latest.excuses
        else:
            states = [overlay(state, t.changes) for state in self.model.history[began_at:]]
            plans = [effect(seen, t.latest()) for seen in (mixtures(states) if looks_again else states[:1])]
            reasons = set().union(*(plan.refusals | plan.excuses for plan in plans))
        if error:
            self.refused(s, t, error, reasons)
            return
        # above READ COMMITTED foreign keys look at both
        fits = [plan for plan in plans if not plan.refusals or (t.above and not latest.refusals)]
        assert fits, f"not refused with {plans[0].refusals}"
        fits = [plan for plan in fits if plan.reported == reported]
        assert fits, f"reported {reported}, not {plans[0].reported}"
        if len(fits) > 1:
            found = self.world.read(s.conn)
            fits = [plan for plan in fits if overlay(t.latest(), plan.changes) == found] or fits
        assert not t.overwritten(fits[0])
        t.changes |= fits[0].changes
        assert not self.model.unguarded([t, *self.others(t)])
        self.look(s, t)
        if turn.commits:
            self.commit_of(s, turn)

    def refused(self, s: Session, t: Transaction, error: psycopg.Error, reasons: set[str]) -> None:
        hypothesis.note(f"refused: {error.sqlstate} {error}")
        hypothesis.event(f"refused with {error.sqlstate}")
        if error.sqlstate == DEADLOCK:
            assert self.crossed, error
        elif error.sqlstate == CHANGED and t.above:
            assert t.isolation == SERIALIZABLE or not t.is_current, error
        else:
            assert error.sqlstate in reasons, error
            if t.savepoints and s.conn.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                self.back_to_savepoint(s, t)
                return
        s.end()

    def look(self, s: Session, t: Transaction) -> None:
        """The transaction sees its own changes."""
        if not self.committing and (not t.above or (t.isolation == REPEATABLE and t.is_current)):
            assert self.world.read(s.conn) == t.view()

    def back_to_savepoint(self, s: Session, t: Transaction) -> None:
        s.conn.execute(f"ROLLBACK TO s{len(t.savepoints)}".encode())
        t.changes = dict(t.savepoints[-1])
        self.look(s, t)

    def commit_of(self, s: Session, turn: Turn) -> None:
        t = s.transaction
        assert t
        hypothesis.note(f"{s.pid}: COMMIT")
        before = t.latest()
        t.savepoints = []
        self.committing += 1
        error = None
        try:
            self.wait_for(s, lambda: s.conn.execute("COMMIT"), turn)
        except psycopg.Error as raised:
            error = raised
        finally:
            self.committing -= 1
        if s.transaction is not t:
            assert error
            return
        left = t.latest()
        if error:
            # a parent that was put back while the check of the key waited is not found
            has_waited = {r.place for r in before.values()} - {r.place for r in left.values()}
            is_orphan = orphans(left) or (t.above and orphans(t.view())) or has_waited
            self.refused(s, t, error, ({FOREIGN} if is_orphan else set()) | self.model.excuses(before, left))
            return
        s.transaction = None
        assert not orphans(left)
        self.model.commit(t.changes)
        self.check()

    def check(self) -> None:
        if self.committing:  # whoever waited may have committed by now
            return
        committed = self.model.committed
        assert self.world.read(self.observer) == committed
        assert not orphans(committed)
        below = below_marked(committed)
        assert all(self.shape.is_hot(key.table) for key in below), below
        query = " UNION ALL ".join(
            f"SELECT '{t}', * FROM dbperf.orphans('{self.world.name}.{t}')" for t in self.shape.children
        )
        found = self.observer.execute(query.encode()).fetchall()
        assert sorted((row[0], row[3]["id"], row[4]) for row in found) == [(k.table, k.id, "deleted") for k in below]
        leftovers = "SELECT (SELECT count(*) FROM dbperf.delete_ticket), (SELECT count(*) FROM dbperf.delete_queue)"
        assert self.observer.execute(leftovers).fetchone() == (0, 0)

    def teardown(self) -> None:
        for s in self.sessions:
            s.end()
        self.check()
        below = below_marked(self.model.committed)
        for table in TABLES:
            query = "SELECT check_name, rows FROM dbperf.verify(%s) WHERE severity = 'problem'"
            found = self.observer.execute(query, [f"{self.world.name}.{table}"]).fetchall()
            rows = sum(key.table == table for key in below)
            assert found == ([("child of a deleted row", rows)] if rows else [])

    # Statements

    @rule(turn=turns, table=tables, number=numbers, parent=numbers | st.none())
    def insert(self, turn: Turn, table: str, number: int, parent: int | None) -> None:
        _, t = self.begun(turn)
        taken = {key.id for key in t.view() if key.table == table}
        free = [n for n in range(IDS) if n not in taken] * 4 + sorted(taken)
        there = sorted(key.id for key in t.view() if key.table == "parent")
        if parent is not None and parent >= 0:
            held = sorted(key.id for key in self.theirs(t) if key.table == "parent")
            choices = [*there, *there, parent % IDS]
            choice = held[parent // 2 % len(held)] if held and parent % 2 else choices[parent // 2 % len(choices)]
            parent = choice if table in self.shape.children else None
        elif parent is not None:
            parent = -parent - 1
        part = number % 2 if table in self.shape.partitioned - {"parent"} else 0
        key, value = Key(table, free[number % len(free)], part), next(self.values)
        values = f"({key.id}, {key.part}, {value}, {'NULL' if parent is None else parent})"
        statement = f"INSERT INTO {self.world.name}.{table} (id, part, value, parent) VALUES {values}"
        self.run(turn, statement, self.model.insert(key, value, parent), lambda cursor: cursor.rowcount)

    @rule(turn=turns, table=tables, kind=kinds, number=numbers, column=columns)
    def update(self, turn: Turn, table: str, kind: str, number: int, column: str) -> None:
        self.change(turn, table, kind, number, column)

    def change(self, turn: Turn, table: str, kind: str, number: int, column: str, parent: int | None = None) -> None:
        _, t = self.begun(turn)
        chosen = where(kind, number, table, t.view(), self.theirs(t))
        if (column == "part" and table not in self.shape.partitioned - {"parent"}) or (
            column == "parent" and table not in self.shape.children
        ):
            column = "value"
        new = {"value": next(self.values), "part": number % 2}.get(column, number // 7 % IDS)
        new = new if parent is None else parent
        statement = f"UPDATE {self.world.name}.{table} AS t SET {column} = {new} WHERE {chosen.sql}"
        effect = self.model.update(t, table, column, new, chosen.holds)
        self.run(turn, statement, effect, lambda cursor: cursor.rowcount)

    @rule(turn=turns, table=tables, leaf=leaves, form=st.sampled_from(list(FORMS)), kind=kinds, number=numbers)
    def delete(self, turn: Turn, table: str, leaf: str, form: str, kind: str, number: int) -> None:
        s, t = self.begun(turn)
        is_view, partitioned = form == "view", table in self.shape.partitioned
        delete = {"view": self.model.delete_active, "by hand": self.model.mark}.get(form, self.model.delete)
        chosen = where("row" if is_view and kind == "marked" else kind, number, table, t.view(), self.theirs(t))
        relation = table + (leaf if partitioned and not is_view else "")

        def read(cursor: psycopg.Cursor) -> Any:
            if partitioned or delete != self.model.delete:
                return cursor.rowcount
            marked = s.conn.execute("SELECT current_setting('dbperf.deleted_rows')::bigint").fetchone()
            assert marked is not None
            return cursor.rowcount, marked[0]

        statement = FORMS[form].format(t=f"{self.world.name}.{relation}", where=chosen.sql)
        self.run(turn, statement, delete(t, relation, chosen.holds), read)

    @rule(turn=turns, table=tables, kind=kinds, number=numbers, cascade=st.booleans())
    def soft_delete(self, turn: Turn, table: str, kind: str, number: int, cascade: bool) -> None:
        _, t = self.begun(turn)
        chosen = where(kind, number, table, t.view(), self.theirs(t))
        statement = (
            f"SELECT batch, relation::text, sum(rows)::bigint FROM dbperf.soft_delete('{self.world.name}.{table}',"
            f" '{chosen.sql.replace('t.', '')}', \"cascade\" => {cascade}) GROUP BY 1, 2 HAVING sum(rows) > 0"
        )
        effect = self.model.soft_delete(t, table, chosen.holds, cascade=cascade)
        self.run(turn, statement, effect, lambda cursor: set(cursor.fetchall()), looks_again=table == "parent")

    @rule(turn=turns, which=numbers)
    def undelete(self, turn: Turn, which: int) -> None:
        _, t = self.begun(turn)
        marks = sorted({row.mark for row in t.view().values() if row.mark})
        if not marks:
            return
        mark = marks[which % len(marks)]
        statement = f"SELECT relation::text, rows FROM dbperf.undelete({mark.batch}) WHERE rows > 0"
        self.run(turn, statement, self.model.undelete(mark), lambda cursor: set(cursor.fetchall()), looks_again=True)

    @rule(table=tables, size=st.sampled_from([1, 2, 1000]))
    def purge(self, table: str, size: int) -> None:
        purgeable, before = self.model.purgeable(table), self.model.committed.keys()
        call = "CALL dbperf.purge(%s, interval '0', %s)"
        row = self.observer.execute(call, [f"{self.world.name}.{table}", size]).fetchone()
        gone = before - self.world.read(self.observer).keys()
        hypothesis.note(f"purge {table}: {row}")
        assert row == (len(gone),)
        assert gone <= purgeable
        assert gone == purgeable or any(s.transaction for s in self.sessions)  # it skips rows that somebody locked
        self.model.commit(dict.fromkeys(gone))
        self.check()

    @rule(turn=turns, number=numbers, first=deeds, second=deeds)
    def meet(self, turn: Turn, number: int, first: str, second: str) -> None:
        """Two transactions at one parent, most often one that no live row references."""
        there = sorted(key.id for key in self.model.committed if key.table == "parent") or [0]
        chosen = where("leaf" if number % 4 else "row", number // 4, "parent", self.model.committed, set())
        row = next((id for id in there if chosen.holds(Key("parent", id, 0), Row(0, None, None))), there[0])
        self.do(first, turn._replace(level=COMMITTED, commits=False), row, number)
        self.do(second, turn._replace(session=(turn.session + 1 + number % 2) % len(self.sessions)), row, number // 2)

    def do(self, deed: str, turn: Turn, parent: int, number: int) -> None:
        table = self.shape.children[number % len(self.shape.children)]
        if deed == "delete":
            self.delete(turn, "parent", "", list(FORMS)[number % len(FORMS)], "id", parent)
        elif deed == "soft delete":
            self.soft_delete(turn, "parent", "id", parent, number % 2 == 0)
        elif deed == "insert":
            self.insert(turn, table, number, -parent - 1)
        elif deed == "adopt":
            self.change(turn, table, "row", number // 3, "parent", parent)
        else:
            self.change(turn, "parent", "id", parent, "value")

    @rule(turn=turns, back=st.booleans())
    def savepoint(self, turn: Turn, back: bool) -> None:
        s, t = self.begun(turn)
        if t.savepoints and back:
            self.back_to_savepoint(s, t)
        else:
            self.set_savepoint(s, t)

    @rule(turn=turns)
    def finish(self, turn: Turn) -> None:
        s = self.sessions[turn.session]
        if s.transaction:
            self.commit_of(s, turn) if turn.commits else s.end()


SHAPES = (
    Shape("ordinary", families=True),
    Shape("partitioned_children", frozenset({"cold", "hot"})),
    Shape("partitioned_parent", frozenset({"parent"})),
    Shape("partitioned", frozenset(TABLES), families=True),
)


def test_a_freed_key_may_be_taken_and_no_row_overwritten() -> None:
    """What the model calls overwritten, after somebody else gave the row of key 1 the key 5."""
    for shape in SHAPES:
        model = Model(shape)
        one, two, taken = Key("cold", 1, 0), Key("cold", 2, 0), Key("cold", 5, 0)
        model.commit({key: model.put(Row(0, None, None)) for key in (one, two)})
        t = Transaction(model, REPEATABLE, Mark(7, datetime(2026, 1, 1)))
        model.commit({one: None, taken: model.committed[one]})
        before = t.view()

        def overwritten(effect: Effect, t: Transaction = t, before: State = before) -> list[Key]:
            return t.overwritten(effect(before, before))

        def update(column: str, new: int, ids: set[int], model: Model = model, t: Transaction = t) -> Effect:
            return model.update(t, "cold", column, new, lambda k, r: k.id in ids)

        assert overwritten(update("id", 1, {2})) == []
        assert overwritten(model.insert(one, 3, None)) == []
        assert overwritten(update("id", 5, {2})) == [taken]
        assert overwritten(model.insert(taken, 3, None)) == [taken]
        assert overwritten(update("value", 3, {1})) == [one]
        assert overwritten(update("id", 3, {1})) == [one]
        assert overwritten(update("id", 1, {1})) == [one]
        assert overwritten(update("id", 1, {1, 2})) == [one]
        for delete in (model.delete, model.mark, model.delete_active):
            assert overwritten(delete(t, "cold", lambda k, r: k.id == 1)) == [one]


#: To make a failing example smaller takes five minutes: DBPERF_SHRINK=1 asks for it.
PHASES = (hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if "DBPERF_SHRINK" in os.environ else []))


@pytest.fixture
def open_sessions(cluster: Cluster, migrated_db: str) -> Iterator[list[Session]]:
    name = psycopg.conninfo.conninfo_to_dict(migrated_db)["dbname"]
    with cluster.admin("postgres") as admin:
        admin.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'".encode())
    opened = [Session(migrated_db) for _ in range(4)]
    yield opened
    for session in opened:
        session.close()


@pytest.mark.superuser
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_deletions_follow_the_model(
    shape: Shape, migrated_db: str, open_sessions: list[Session], request: pytest.FixtureRequest
) -> None:
    """A superuser's, to have deadlocks found soon."""
    *actors, observer = open_sessions
    world = World(migrated_db, shape)
    machine = type("Deletions", (Deletions,), {"world": world, "sessions": actors, "observer": observer.conn})
    settings = hypothesis.settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck), phases=PHASES,
    )  # fmt: skip
    run_state_machine_as_test(hypothesis.seed(f"{request.config.option.seed} {shape.name}")(machine), settings=settings)
