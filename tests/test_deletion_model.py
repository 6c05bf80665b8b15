"""Soft delete against a model: nothing lost, doubled or orphaned, whatever three transactions do in turn.

One thread drives three connections. Each has a lock_timeout, so that a statement which would block fails
and its transaction is rolled back: what a statement that succeeded did follows from what it could see.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

#: Per world; more of them to hunt.
EXAMPLES, STEPS = 14, 40

TABLES = ("parent", "cold", "hot")
IDS = 9
COMMITTED, REPEATABLE, SERIALIZABLE = "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
UNIQUE, FOREIGN, TOO_OLD = "23505", "23503", "0A000"


class Key(NamedTuple):
    table: str
    id: int
    part: int


class Mark(NamedTuple):
    batch: int
    at: datetime


class Row(NamedTuple):
    value: int
    parent: int | None
    mark: Mark | None


State = dict[Key, Row]


class Plan(NamedTuple):
    """What a statement does to the rows that it sees."""

    refusals: set[str]
    changes: dict[Key, Row | None]
    reported: Any


class Where(NamedTuple):
    sql: str
    holds: Callable[[Key, Row], bool]


class Turn(NamedTuple):
    """Whose it is, the level of the transaction that it begins, and whether it ends in COMMIT."""

    session: int
    level: str
    commits: bool


def overlay(state: State, changes: dict[Key, Row | None]) -> State:
    merged: dict[Key, Row | None] = {**state, **changes}
    return {key: row for key, row in merged.items() if row is not None}


def children(state: State, ids: set[int]) -> State:
    return {key: row for key, row in state.items() if row.parent in ids}


def parent_of(state: State, row: Row) -> Row | None:
    return None if row.parent is None else state.get(Key("parent", row.parent, 0))


def orphans(state: State) -> State:
    return {k: r for k, r in state.items() if r.parent is not None and parent_of(state, r) is None}


def below_marked(state: State) -> list[Key]:
    return sorted(k for k, r in state.items() if r.mark is None and (p := parent_of(state, r)) and p.mark)


class World:
    """A parent with a child table that has INSERT triggers and one that has not (hot)."""

    def __init__(self, dsn: str, name: str, *, partitioned: set[str]) -> None:
        self.dsn, self.name, self.partitioned = dsn, name, partitioned
        self.relations: list[str] = []
        with psycopg.connect(dsn) as conn:
            conn.execute(f"CREATE SCHEMA {name}".encode())
            for table in TABLES:
                self._create(conn, table)
            for table in TABLES:
                hot = {"cold": "false", "hot": "true"}.get(table, "NULL")
                conn.execute(f"SELECT dbperf.enable_soft_delete('{name}.{table}', hot => {hot})".encode())

    def _create(self, conn: psycopg.Connection, table: str) -> None:
        name, column = f"{self.name}.{table}", "id" if table == "parent" else "part"
        inner = "id integer NOT NULL, part integer NOT NULL, value integer NOT NULL, parent integer"
        self.relations.append(name)
        if table not in self.partitioned:
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
        if table != "parent":
            action = "DEFERRABLE INITIALLY DEFERRED" if self.waits else "ON DELETE RESTRICT"
            key = f"FOREIGN KEY (parent) REFERENCES {self.name}.parent (id) {action}"
            conn.execute(f"ALTER TABLE {name} ADD {key}".encode())

    @property
    def waits(self) -> bool:
        """The foreign keys are checked at COMMIT."""
        return "parent" in self.partitioned

    def holds(self, relation: str, key: Key) -> bool:
        table, _, leaf = relation.partition("_")
        first = key.id < 3 if table == "parent" else key.part < 1
        inside = {"": True, "0": first, "1": not first, "1a": not first and key.id < 4, "1b": not first and key.id >= 4}
        return key.table == table and inside[leaf]

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
    """A connection and what the model knows about its transaction."""

    def __init__(self, dsn: str) -> None:
        self.conn = psycopg.connect(dsn, autocommit=True, options="-c lock_timeout=30ms -c client_min_messages=error")
        self.is_open = False

    def begin(self, isolation: str, committed: State, commits: int) -> None:
        self.conn.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
        row = self.conn.execute("SELECT pg_current_xact_id()::text::bigint, transaction_timestamp()").fetchone()
        assert row is not None
        self.is_open, self.mark, self.isolation, self.began_at = True, Mark(*row), isolation, commits
        self.above = isolation != COMMITTED
        self.snapshot = None if isolation == COMMITTED else dict(committed)
        self.changes: dict[Key, Row | None] = {}
        self.savepoints: list[dict[Key, Row | None]] = []


numbers = st.integers(0, 2**20)
tables = st.sampled_from(TABLES)
levels = st.sampled_from([COMMITTED, COMMITTED, COMMITTED, REPEATABLE, SERIALIZABLE])
turns = st.builds(Turn, st.integers(0, 2), levels, st.sampled_from([False, False, True]))
columns = st.sampled_from(["value", "parent", "id", "part"])
leaves = st.sampled_from(["", "", "", "_0", "_1", "_1a", "_1b"])
kinds = st.sampled_from(["row", "row", "row", "half", "below", "marked", "all"])


def where(kind: str, number: int, table: str, state: State) -> Where:
    """Rows of the table, mostly one of those that are there."""
    if kind == "row":
        there = sorted({key.id for key in state if key.table == table}) or [0]
        number = there[number % len(there)]
        return Where(f"t.id = {number}", lambda k, r: k.id == number)
    number %= IDS
    return {
        "half": Where(f"t.id % 2 = {number % 2}", lambda k, r: k.id % 2 == number % 2),
        "below": Where(f"t.parent = {number}", lambda k, r: r.parent == number),
        "marked": Where("t.deleted_at IS NOT NULL", lambda k, r: r.mark is not None),
        "all": Where("true", lambda k, r: True),
    }[kind]


FORMS = {
    "plain": "DELETE FROM {t} AS t WHERE {where}",
    "using": "DELETE FROM {t} AS t USING generate_series(1, 2) AS g WHERE g > 0 AND {where}",
    "cte": "WITH gone AS (DELETE FROM {t} AS t WHERE {where} RETURNING t.id) SELECT FROM gone",
    "merge": "MERGE INTO {t} AS t USING (VALUES (1)) AS v (x) ON v.x = 1 AND {where} WHEN MATCHED THEN DELETE",
    "view": "DELETE FROM {t}_active AS t WHERE {where}",
}


class Deletions(RuleBasedStateMachine):
    world: ClassVar[World]
    sessions: ClassVar[list[Session]]
    observer: ClassVar[psycopg.Connection]

    def __init__(self) -> None:
        super().__init__()
        self.committed: State = {}
        self.commits = 0
        self.values = itertools.count(1)

    @initialize()
    def fill(self) -> None:
        self.world.empty(self.observer)
        for table, n in itertools.product(TABLES, range(4)):
            key, row = Key(table, n, 0), Row(0, None if table == "parent" else n // 2, None)
            insert = f"INSERT INTO {self.world.name}.{table} (id, part, value, parent) VALUES (%s, %s, %s, %s)"
            self.observer.execute(insert.encode(), [*key[1:], *row[:2]])
            self.committed[key] = row

    # What transactions see, and how they end

    def view(self, s: Session) -> State:
        return overlay(self.committed if s.snapshot is None else s.snapshot, s.changes)

    def begun(self, turn: Turn) -> Session:
        session = self.sessions[turn.session]
        if not session.is_open:
            session.begin(turn.level, self.committed, self.commits)
        return session

    def run(self, turn: Turn, statement: str, plan: Callable[[State], Plan], read: Callable[[Any], Any]) -> None:
        """Run the statement: it must report and do what the plan says, or be refused for a reason that the plan gives."""
        s = self.begun(turn)
        expected, latest = plan(self.view(s)), plan(overlay(self.committed, s.changes))
        hypothesis.note(f"{s.conn.info.backend_pid} {s.isolation}: {statement}")
        try:
            reported = read(s.conn.execute(statement.encode()))
        except psycopg.Error as error:
            self.refused(s, error, expected.refusals | latest.refusals)
            return
        # above READ COMMITTED foreign keys look at both
        assert not expected.refusals or (s.above and not latest.refusals), f"not refused with {expected.refusals}"
        assert reported == expected.reported
        s.changes |= expected.changes
        self.look(s)
        if turn.commits:
            self.commit_of(s)

    def refused(self, s: Session, error: psycopg.Error, reasons: set[str]) -> None:
        hypothesis.note(f"refused: {error.sqlstate} {error}")
        hypothesis.event(f"refused with {error.sqlstate}")
        if error.sqlstate == "55P03":
            assert sum(other.is_open for other in self.sessions) > 1, error
        elif error.sqlstate == "40001":
            assert s.isolation == SERIALIZABLE or (s.above and self.commits > s.began_at), error
        else:
            assert error.sqlstate in reasons, error
            if s.savepoints and s.conn.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                self.back_to_savepoint(s)
                return
        self.end(s)

    def look(self, s: Session) -> None:
        """The transaction sees its own changes."""
        if s.isolation == COMMITTED or (s.isolation == REPEATABLE and self.commits == s.began_at):
            assert self.world.read(s.conn) == self.view(s)

    def end(self, s: Session) -> None:
        s.is_open = False
        s.conn.rollback()

    def back_to_savepoint(self, s: Session) -> None:
        s.conn.execute(f"ROLLBACK TO s{len(s.savepoints)}".encode())
        s.changes = dict(s.savepoints[-1])
        self.look(s)

    def commit_of(self, s: Session) -> None:
        hypothesis.note(f"{s.conn.info.backend_pid}: COMMIT")
        left = overlay(self.committed, s.changes)
        reasons = {FOREIGN} if orphans(left) or (s.above and orphans(self.view(s))) else set()
        s.savepoints = []
        try:
            s.conn.execute("COMMIT")
        except psycopg.Error as error:
            self.refused(s, error, reasons)
            return
        s.is_open = False
        assert not orphans(left)
        self.committed = left
        self.commits += 1
        self.check()

    def check(self) -> None:
        assert self.world.read(self.observer) == self.committed
        assert not orphans(self.committed)
        below = below_marked(self.committed)
        assert {key.table for key in below} <= {"hot"}, below
        query = " UNION ALL ".join(f"SELECT '{t}', * FROM dbperf.orphans('{self.world.name}.{t}')" for t in TABLES[1:])
        found = self.observer.execute(query.encode()).fetchall()
        assert sorted((row[0], row[3]["id"], row[4]) for row in found) == [(k.table, k.id, "deleted") for k in below]
        leftovers = "SELECT (SELECT count(*) FROM dbperf.delete_ticket), (SELECT count(*) FROM dbperf.delete_queue)"
        assert self.observer.execute(leftovers).fetchone() == (0, 0)

    def teardown(self) -> None:
        for s in self.sessions:
            self.end(s)
        self.check()
        below = len(below_marked(self.committed))
        for table in TABLES:
            query = "SELECT check_name, rows FROM dbperf.verify(%s) WHERE severity = 'problem'"
            found = self.observer.execute(query, [f"{self.world.name}.{table}"]).fetchall()
            assert found == ([("child of a deleted row", below)] if table == "hot" and below else [])

    # Statements

    def child_refusals(self, state: State, table: str, parent: int | None) -> set[str]:
        """Why a live row of the table may not get this parent."""
        if parent is None:
            return set()
        row = state.get(Key("parent", parent, 0))
        if row is None:
            return set() if self.world.waits else {FOREIGN}
        return {FOREIGN} if row.mark and table == "cold" else set()

    @rule(turn=turns, table=tables, number=numbers, parent=st.none() | numbers)
    def insert(self, turn: Turn, table: str, number: int, parent: int | None) -> None:
        s, value = self.begun(turn), next(self.values)
        taken = {key.id for key in self.view(s) if key.table == table}
        choices = [n for n in range(IDS) if n not in taken] * 4 + sorted(taken)
        there = sorted(key.id for key in self.view(s) if key.table == "parent")
        if parent is not None:
            parent = [*there, *there, parent % IDS][parent % (2 * len(there) + 1)] if table != "parent" else None
        key = Key(
            table, choices[number % len(choices)], number % 2 if table in self.world.partitioned - {"parent"} else 0
        )

        def plan(state: State) -> Plan:
            refusals = self.child_refusals(state, table, parent) | ({UNIQUE} if key in state else set())
            return Plan(refusals, {key: Row(value, parent, None)}, 1)

        values = f"({key.id}, {key.part}, {value}, {'NULL' if parent is None else parent})"
        statement = f"INSERT INTO {self.world.name}.{table} (id, part, value, parent) VALUES {values}"
        self.run(turn, statement, plan, lambda cursor: cursor.rowcount)

    @rule(turn=turns, table=tables, kind=kinds, number=numbers, column=columns)
    def update(self, turn: Turn, table: str, kind: str, number: int, column: str) -> None:
        s = self.begun(turn)
        chosen = where(kind, number, table, self.view(s))
        if (column == "part" and table not in self.world.partitioned) or (table == "parent" and column != "id"):
            column = "value"
        new = {"value": next(self.values), "part": number % 2}.get(column, number // 7 % IDS)

        def plan(state: State) -> Plan:
            met = {k: r for k, r in state.items() if k.table == table and chosen.holds(k, r)}
            refusals = set()
            changes: dict[Key, Row | None] = dict.fromkeys(met)
            for key, row in met.items():
                if column == "parent":
                    refusals |= self.child_refusals(state, "hot" if row.mark else table, new)
                moved = Key(table, new if column == "id" else key.id, new if column == "part" else key.part)
                if moved != key and (moved in state or changes.get(moved)):
                    refusals.add(UNIQUE)
                if moved.id != key.id and table == "parent" and not self.world.waits and children(state, {key.id}):
                    refusals.add(FOREIGN)
                value, parent = new if column == "value" else row.value, new if column == "parent" else row.parent
                changes[moved] = Row(value, parent, row.mark)
            return Plan(refusals, changes, len(met))

        statement = f"UPDATE {self.world.name}.{table} AS t SET {column} = {new} WHERE {chosen.sql}"
        self.run(turn, statement, plan, lambda cursor: cursor.rowcount)

    def deletion(self, s: Session, state: State, met: State) -> tuple[set[str], dict[Key, Row | None]]:
        live = {k: r for k, r in met.items() if r.mark is None}
        parents = {k.id for k in live if k.table == "parent"}
        refusals = {TOO_OLD} if parents and s.above else set()
        if any(r.mark is None for r in children(state, parents).values()):
            refusals.add(FOREIGN)
        return refusals, {k: r._replace(mark=s.mark) for k, r in live.items()}

    @rule(turn=turns, table=tables, leaf=leaves, form=st.sampled_from(list(FORMS)), kind=kinds, number=numbers)
    def delete(self, turn: Turn, table: str, leaf: str, form: str, kind: str, number: int) -> None:
        s = self.begun(turn)
        chosen = where("row" if form == "view" and kind == "marked" else kind, number, table, self.view(s))
        partitioned = table in self.world.partitioned
        relation = table + (leaf if partitioned and form != "view" else "")

        def plan(state: State) -> Plan:
            met = {k: r for k, r in state.items() if self.world.holds(relation, k) and chosen.holds(k, r)}
            if form == "view":
                met = {k: r for k, r in met.items() if r.mark is None}
            refusals, changes = self.deletion(s, state, met)
            if form == "view":
                return Plan(refusals, changes, len(met))
            return Plan(refusals, changes, len(met) if partitioned else (0, len(changes)))

        def read(cursor: psycopg.Cursor) -> Any:
            if partitioned or form == "view":
                return cursor.rowcount
            marked = s.conn.execute("SELECT current_setting('dbperf.deleted_rows')::bigint").fetchone()
            assert marked is not None
            return cursor.rowcount, marked[0]

        self.run(turn, FORMS[form].format(t=f"{self.world.name}.{relation}", where=chosen.sql), plan, read)

    @rule(turn=turns, table=tables, kind=kinds, number=numbers, cascade=st.booleans())
    def soft_delete(self, turn: Turn, table: str, kind: str, number: int, cascade: bool) -> None:
        s = self.begun(turn)
        chosen = where(kind, number, table, self.view(s))

        def plan(state: State) -> Plan:
            met = {k: r for k, r in state.items() if k.table == table and chosen.holds(k, r) and r.mark is None}
            refusals, changes = self.deletion(s, state, met)
            if table == "parent" and cascade:
                refusals = set()
                ids = {k.id for k, r in overlay(state, changes).items() if k.table == "parent" and r.mark == s.mark}
                below = children(state, ids)
                changes |= {k: r._replace(mark=s.mark) for k, r in below.items() if r.mark is None}
            if table == "parent" and s.above:
                refusals.add(TOO_OLD)
            counts = {f"{self.world.name}.{t}": sum(k.table == t for k in changes) for t in TABLES}
            return Plan(refusals, changes, {(s.mark.batch, t, rows) for t, rows in counts.items() if rows})

        statement = (
            f"SELECT batch, relation::text, rows FROM dbperf.soft_delete('{self.world.name}.{table}',"
            f" '{chosen.sql.replace('t.', '')}', \"cascade\" => {cascade}) WHERE rows > 0"
        )
        self.run(turn, statement, plan, lambda cursor: set(cursor.fetchall()))

    @rule(turn=turns, which=numbers)
    def undelete(self, turn: Turn, which: int) -> None:
        s = self.begun(turn)
        marks = sorted({row.mark for row in self.view(s).values() if row.mark})
        if not marks:
            return
        mark = marks[which % len(marks)]

        def plan(state: State) -> Plan:
            met = {k: r for k, r in state.items() if r.mark == mark}
            above = [p.mark for r in met.values() if (p := parent_of(state, r)) and p.mark]
            counts = {f"{self.world.name}.{t}": sum(k.table == t for k in met) for t in TABLES}
            return Plan(
                {FOREIGN} if any(m != mark for m in above) else set(),
                {k: r._replace(mark=None) for k, r in met.items()},
                {(t, rows) for t, rows in counts.items() if rows},
            )

        statement = f"SELECT relation::text, rows FROM dbperf.undelete({mark.batch}) WHERE rows > 0"
        self.run(turn, statement, plan, lambda cursor: set(cursor.fetchall()))

    @rule(table=tables, size=st.sampled_from([1, 2, 1000]))
    def purge(self, table: str, size: int) -> None:
        purgeable = {
            k for k, r in self.committed.items()
            if k.table == table and r.mark and not (table == "parent" and children(self.committed, {k.id}))
        }  # fmt: skip
        call = "CALL dbperf.purge(%s, interval '0', %s)"
        row = self.observer.execute(call, [f"{self.world.name}.{table}", size]).fetchone()
        gone = self.committed.keys() - self.world.read(self.observer).keys()
        hypothesis.note(f"purge {table}: {row}")
        assert row == (len(gone),)
        assert gone <= purgeable
        assert gone == purgeable or any(s.is_open for s in self.sessions)  # it skips rows that somebody locked
        self.committed = {k: r for k, r in self.committed.items() if k not in gone}
        self.commits += 1
        self.check()

    @rule(turn=turns, back=st.booleans())
    def savepoint(self, turn: Turn, back: bool) -> None:
        s = self.begun(turn)
        if s.savepoints and back:
            self.back_to_savepoint(s)
        else:
            s.savepoints.append(dict(s.changes))
            s.conn.execute(f"SAVEPOINT s{len(s.savepoints)}".encode())

    @rule(turn=turns)
    def finish(self, turn: Turn) -> None:
        s = self.begun(turn)
        self.commit_of(s) if turn.commits else self.end(s)


WORLDS = {
    "ordinary": set[str](),
    "partitioned_children": {"cold", "hot"},
    "partitioned_parent": {"parent"},
    "partitioned": {"parent", "cold", "hot"},
}


@pytest.fixture
def open_sessions(migrated_db: str) -> Iterator[list[Session]]:
    opened = [Session(migrated_db) for _ in range(4)]
    yield opened
    for session in opened:
        session.conn.close()


@pytest.mark.parametrize("name", WORLDS)
def test_deletions_follow_the_model(
    name: str, migrated_db: str, open_sessions: list[Session], request: pytest.FixtureRequest
) -> None:
    *actors, observer = open_sessions
    world = World(migrated_db, name, partitioned=WORLDS[name])
    machine = type("Deletions", (Deletions,), {"world": world, "sessions": actors, "observer": observer.conn})
    settings = hypothesis.settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(hypothesis.seed(request.config.option.seed)(machine), settings=settings)
