"""What a database with soft delete should hold: a Python model of tables, transactions and statements.

A row has a *place*, which the database does not show: an UPDATE in place keeps it, a partitioned table's DELETE and
a move to another partition give a new one. A statement that waited for another transaction goes on with the rows that
it saw before, by place, as they are afterwards; with those, and only those, for which its condition still holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

#: ``cold`` has INSERT triggers and ``hot`` has none; both reference ``parent``.
TABLES = ("parent", "cold", "hot")
COMMITTED, REPEATABLE, SERIALIZABLE = "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"
UNIQUE, FOREIGN, TOO_OLD, CHANGED, DEADLOCK, KEPT = "23505", "23503", "0A000", "40001", "40P01", "55000"


class Key(NamedTuple):
    table: str
    id: int
    part: int


class Mark(NamedTuple):
    batch: int
    at: datetime


@dataclass(frozen=True)
class Row:
    value: int
    parent: int | None
    mark: Mark | None
    place: int = field(compare=False, default=0)


State = dict[Key, Row]
Changes = dict[Key, Row | None]
Holds = Callable[[Key, Row], bool]


class Plan(NamedTuple):
    """What a statement does: it must be refused for one of `refusals` if there are any, and may be for `excuses`.

    `taken` are keys that it gives to a row, and that no row which it saw and changes had.
    """

    refusals: set[str]
    changes: Changes
    reported: Any
    excuses: set[str] = set()  # noqa: RUF012
    taken: frozenset[Key] = frozenset()


#: What a statement does to the rows that it saw when it began, as they are now.
Effect = Callable[[State, State], Plan]


def overlay(state: State, changes: Changes) -> State:
    merged: Changes = {**state, **changes}
    return {key: row for key, row in merged.items() if row is not None}


def children(state: State, ids: set[int]) -> State:
    return {key: row for key, row in state.items() if row.parent in ids}


def parent_of(state: State, row: Row) -> Row | None:
    return None if row.parent is None else state.get(Key("parent", row.parent, 0))


def orphans(state: State) -> State:
    return {k: r for k, r in state.items() if r.parent is not None and parent_of(state, r) is None}


def below_marked(state: State) -> list[Key]:
    return sorted(k for k, r in state.items() if r.mark is None and (p := parent_of(state, r)) and p.mark)


def met(seen: State, now: State, holds: Holds) -> State:
    places = {row.place for key, row in seen.items() if holds(key, row)}
    return {key: row for key, row in now.items() if row.place in places and holds(key, row)}


def mixtures(states: Sequence[State]) -> list[State]:
    """What a function may have seen that looked at each table when one or another of the states was committed."""
    if len(states) == 1:
        return list(states)
    parts = [[{k: r for k, r in state.items() if k.table == table} for state in states] for table in TABLES]
    return [{**one, **two, **three} for one, two, three in itertools.product(*parts)]


@dataclass(frozen=True)
class Shape:
    """Which tables are partitioned, and whether parents have parents."""

    name: str
    partitioned: frozenset[str] = frozenset()
    families: bool = False

    @property
    def waits(self) -> bool:
        """The foreign keys are checked at COMMIT."""
        return "parent" in self.partitioned

    @property
    def children(self) -> tuple[str, ...]:
        return TABLES if self.families else TABLES[1:]

    def is_hot(self, table: str) -> bool:
        return table == "hot" or (table == "parent" and self.waits)

    def leaf(self, key: Key) -> str:
        if key.table not in self.partitioned:
            return ""
        if key.id < 3 if key.table == "parent" else key.part < 1:
            return "_0"
        return "_1a" if key.id < 4 else "_1b"

    def holds(self, relation: str, key: Key) -> bool:
        """Whether the row is in the table or partition."""
        return (key.table + self.leaf(key)).startswith(relation)


class Transaction:
    """What the model knows about an open transaction."""

    def __init__(self, model: Model, isolation: str, mark: Mark) -> None:
        self.model, self.isolation, self.mark, self.began_at = model, isolation, mark, len(model.history)
        self.above = isolation != COMMITTED
        self.snapshot = model.committed if self.above else None
        self.changes: Changes = {}
        self.savepoints: list[Changes] = []

    def view(self) -> State:
        return overlay(self.model.committed if self.snapshot is None else self.snapshot, self.changes)

    def latest(self) -> State:
        return overlay(self.model.committed, self.changes)

    @property
    def is_current(self) -> bool:
        """Nobody has committed since its snapshot."""
        return len(self.model.history) == self.began_at

    def overwritten(self, plan: Plan) -> list[Key]:
        """Rows that somebody else has changed since the snapshot: to change them too would lose that.

        Not those whose key somebody else has freed since, and that the plan gives to another row.
        """
        if self.snapshot is None:
            return []
        now, ours = self.model.committed, self.changes.keys() | (plan.taken - self.model.committed.keys())
        return [k for k in plan.changes if k not in ours and now.get(k) != self.snapshot.get(k)]


class Model:
    """What was committed, and what each statement does."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.committed: State = {}
        self.history = [self.committed]
        self.moved: set[int] = set()
        self._places = itertools.count(1)

    def commit(self, changes: Changes) -> None:
        self.committed = overlay(self.committed, changes)
        self.history.append(self.committed)

    def unguarded(self, open_transactions: Sequence[Transaction]) -> list[Key]:
        """Children that one transaction makes below what another one marks: one of them should have waited.

        Not those in hot tables whose keys are checked at COMMIT.
        """
        old = self.committed
        marks = {
            (k.id, t) for t in open_transactions for k, r in t.changes.items()
            if k.table == "parent" and r and r.mark and k in old and old[k].mark is None
        }  # fmt: skip
        return [
            k for t in open_transactions for k, r in t.changes.items()
            if r and r.mark is None and not (self.shape.waits and self.shape.is_hot(k.table))
            and (k not in old or (old[k].parent, old[k].mark) != (r.parent, None))
            and any(r.parent == id and t is not other for id, other in marks)
        ]  # fmt: skip

    def put(self, row: Row) -> Row:
        """The row at a place of its own."""
        return replace(row, place=next(self._places))

    def excuses(self, seen: State, now: State) -> set[str]:
        """A row that somebody moved to another partition cannot be followed."""
        gone = {row.place for row in seen.values()} - {row.place for row in now.values()}
        return {CHANGED} if gone & self.moved else set()

    def child_refusals(self, state: State, table: str, parent: int | None) -> set[str]:
        """Why a live row of the table may not get this parent."""
        if parent is None:
            return set()
        row = state.get(Key("parent", parent, 0))
        if row is None:
            return set() if self.shape.waits else {FOREIGN}
        return {FOREIGN} if row.mark and not self.shape.is_hot(table) else set()

    def insert(self, key: Key, value: int, parent: int | None) -> Effect:
        def effect(seen: State, now: State) -> Plan:
            refusals = {UNIQUE} if key in now else set()
            if not (key.table == "parent" and parent == key.id):
                refusals |= self.child_refusals(now, key.table, parent)
            changes: Changes = {key: self.put(Row(value, parent, None))}
            return Plan(refusals, changes, 1, self.excuses(seen, now), frozenset({key}))

        return effect

    def update(self, t: Transaction, table: str, column: str, new: int, holds: Holds) -> Effect:
        def effect(seen: State, now: State) -> Plan:
            rows = met(seen, now, lambda k, r: k.table == table and holds(k, r))
            refusals, excuses = set(), self.excuses(seen, now)
            changes: Changes = dict.fromkeys(rows)
            # restrict_deletion() takes any UPDATE of rows that this transaction has marked for their marking
            marked = {k.id for k, r in rows.items() if table == "parent" and r.mark == t.mark}
            if any(r.mark is None for r in children(now, marked).values()) or (column == "parent" and new in marked):
                excuses.add(FOREIGN)
            for key, row in rows.items():
                if column == "parent":
                    refusals |= self.child_refusals(now, "hot" if row.mark else table, new)
                there = Key(table, new if column == "id" else key.id, new if column == "part" else key.part)
                if there != key and (there in now or changes.get(there)):
                    refusals.add(UNIQUE)
                if there.id != key.id and table == "parent" and row.mark:
                    refusals.add(KEPT)
                if there.id != key.id and table == "parent" and not self.shape.waits and children(now, {key.id}):
                    refusals.add(FOREIGN)
                changed = {"value": replace(row, value=new), "parent": replace(row, parent=new)}.get(column, row)
                if self.shape.leaf(there) != self.shape.leaf(key):
                    self.moved.add(row.place)
                    changed = self.put(changed)
                changes[there] = changed
            return Plan(refusals, changes, len(rows), excuses, frozenset(changes.keys() - rows.keys()))

        return effect

    def _deletion(self, t: Transaction, now: State, rows: State, *, in_place: bool) -> tuple[set[str], Changes]:
        live = {k: r for k, r in rows.items() if r.mark is None}
        parents = {k.id for k in live if k.table == "parent"}
        refusals = {TOO_OLD} if parents and t.above else set()
        if any(r.mark is None and k not in live for k, r in children(now, parents).items()):
            refusals.add(FOREIGN)
        if in_place:
            return refusals, {k: replace(r, mark=t.mark) for k, r in live.items()}
        return refusals, {k: self.put(replace(r, mark=r.mark or t.mark)) for k, r in rows.items()}

    def delete(self, t: Transaction, relation: str, holds: Holds) -> Effect:
        """DELETE on a table or partition; an ordinary table reports 0, and the number in a setting."""

        def effect(seen: State, now: State) -> Plan:
            partitioned = relation.partition("_")[0] in self.shape.partitioned
            rows = met(seen, now, lambda k, r: self.shape.holds(relation, k) and holds(k, r))
            refusals, changes = self._deletion(t, now, rows, in_place=not partitioned)
            reported = len(rows) if partitioned else (0, len(changes))
            return Plan(refusals, changes, reported, self.excuses(seen, now))

        return effect

    def mark(self, t: Transaction, relation: str, holds: Holds) -> Effect:
        """UPDATE that sets the marks of this transaction by hand, of live rows."""

        def effect(seen: State, now: State) -> Plan:
            rows = met(seen, now, lambda k, r: self.shape.holds(relation, k) and r.mark is None and holds(k, r))
            refusals, changes = self._deletion(t, now, rows, in_place=True)
            return Plan(refusals, changes, len(rows), self.excuses(seen, now))

        return effect

    def delete_active(self, t: Transaction, table: str, holds: Holds) -> Effect:
        """DELETE on the view of live rows; an ordinary table's deletes row by row, by key."""

        def effect(seen: State, now: State) -> Plan:
            partitioned = table in self.shape.partitioned
            excuses = self.excuses(seen, now)

            def wanted(k: Key, r: Row) -> bool:
                return k.table == table and r.mark is None and holds(k, r)

            if partitioned:
                rows, changed = met(seen, now, wanted), False
            else:
                alive = {k: now[k] for k, r in seen.items() if wanted(k, r) and k in now and now[k].mark is None}
                rows = {k: r for k, r in alive.items() if r == seen[k]}
                changed = len(rows) < len(alive)
                if any(r.mark is None for k, r in children(now, {k.id for k in rows if table == "parent"}).items()):
                    excuses.add(FOREIGN)
            refusals, changes = self._deletion(t, now, rows, in_place=not partitioned)
            return Plan(refusals | ({CHANGED} if changed else set()), changes, len(rows), excuses)

        return effect

    def soft_delete(self, t: Transaction, table: str, holds: Holds, *, cascade: bool) -> Effect:
        def effect(seen: State, now: State) -> Plan:
            excuses = self.excuses(seen, now)
            rows = met(seen, now, lambda k, r: k.table == table and r.mark is None and holds(k, r))
            refusals, changes = self._deletion(t, now, rows, in_place=True)
            if table == "parent" and cascade:
                refusals = set()
                if seen != now:  # what came while it waited for a child
                    excuses.add(FOREIGN)
                while True:
                    after = overlay(now, changes)
                    ids = {k.id for k, r in after.items() if k.table == "parent" and r.mark == t.mark}
                    below = {k: replace(r, mark=t.mark) for k, r in children(after, ids).items() if r.mark is None}
                    if not below:
                        break
                    changes |= below
            if table == "parent" and t.above:
                refusals.add(TOO_OLD)
            return Plan(refusals, changes, {(t.mark.batch, *c) for c in self._counts(changes)}, excuses)

        return effect

    def undelete(self, mark: Mark) -> Effect:
        def effect(seen: State, now: State) -> Plan:
            rows = met(seen, now, lambda k, r: r.mark == mark)
            above = [p.mark for r in rows.values() if (p := parent_of(now, r)) and p.mark]
            refusals = {FOREIGN} if any(m != mark for m in above) else set()
            changes: Changes = {k: replace(r, mark=None) for k, r in rows.items()}
            return Plan(refusals, changes, self._counts(changes), self.excuses(seen, now))

        return effect

    def _counts(self, changes: Changes) -> set[tuple[str, int]]:
        counts = {f"{self.shape.name}.{t}": sum(k.table == t for k in changes) for t in TABLES}
        return {(table, rows) for table, rows in counts.items() if rows}

    def purgeable(self, table: str) -> set[Key]:
        """Marked rows that no other row references; again without those, until there are none."""
        left = dict(self.committed)
        while True:
            gone = {
                k for k, r in left.items()
                if k.table == table and r.mark and not (table == "parent" and children(left, {k.id}).keys() - {k})
            }  # fmt: skip
            if not gone:
                return self.committed.keys() - left.keys()
            left = {k: r for k, r in left.items() if k not in gone}
