"""Writers that know what they have committed, beside a table that is being rebuilt.

Each keeps its own ledger of the rows that it owns: a lost or a ghost row shows without asking dbperf.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from tests.shapes import value

ISOLATION = [
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
]
WRITERS = len(ISOLATION)
NAMES = ("id", '"timestamp"', "instrument_id", "price", "volume")

Row = tuple[datetime, int, float | None, int | None]


@dataclass(frozen=True)
class Shape:
    """A table and the one that it is to become."""

    table: str
    target: str
    ddl: tuple[str, ...]
    start: str
    #: Columns of the table: key, time, instrument, price, volume. The target's are `NAMES`.
    names: tuple[str, ...] = NAMES
    is_soft: bool = True


MARKET_DATA = Shape(
    "market_data",
    "md_next",
    (
        """CREATE TABLE md_next (
            id bigint NOT NULL, "timestamp" timestamp NOT NULL, price double precision, bid double precision,
            ask double precision, open_price double precision, high_price double precision,
            low_price double precision, deleted_at timestamptz, deleted_batch bigint,
            instrument_id integer NOT NULL REFERENCES instruments ON DELETE RESTRICT,
            volume integer, bid_size integer, ask_size integer, PRIMARY KEY (id, instrument_id, "timestamp")
        ) PARTITION BY RANGE ("timestamp")""",
        'CREATE INDEX ON md_next (instrument_id, "timestamp", price)',
        """INSERT INTO dbperf.partition_policy (relation, every, ahead, max_ahead, max_behind)
            VALUES ('md_next', '1 month', '3 months', '1 year', '1 year')""",
        "CALL dbperf.maintain('md_next')",
    ),
    "SELECT dbperf.rebuild_start('market_data', 'md_next')",
)

#: Other names, a key of two columns of which one is a time, parents that come and go.
QUOTE = Shape(
    "quote",
    "quote_next",
    (
        """CREATE TABLE quote_next (
            "timestamp" timestamp NOT NULL, id bigint NOT NULL, instrument_id integer NOT NULL REFERENCES venue,
            price double precision, volume integer, PRIMARY KEY (id, "timestamp")
        )""",
        "CREATE INDEX ON quote_next (instrument_id)",
    ),
    """SELECT dbperf.rebuild_start('quote', 'quote_next', '{"id": "no", "timestamp": "at", "instrument_id": "venue_id",
        "price": "px", "volume": "size"}')""",
    ("no", "at", "venue_id", "px", "size"),
    False,
)


def make_quote(conn: psycopg.Connection, rows: int) -> None:
    conn.execute("CREATE TABLE venue (id integer PRIMARY KEY, name text)")
    conn.execute("INSERT INTO venue SELECT g, 'venue ' || g FROM generate_series(1, 8) AS g")
    conn.execute(
        """CREATE TABLE quote (no serial, px numeric(12,4), at timestamp NOT NULL, size integer,
            venue_id integer NOT NULL REFERENCES venue, PRIMARY KEY (no, at))"""
    )
    conn.execute("CREATE INDEX quote_at ON quote (at); CREATE INDEX quote_venue ON quote (venue_id)")
    conn.execute(
        """INSERT INTO quote (px, at, size, venue_id)
            SELECT g / 4.0, timestamp '2026-04-01' + g * interval '90 days' / %s, g, g %% 8 + 1
            FROM generate_series(1, %s) AS g""",
        [rows, rows],
    )


@dataclass
class Ledger:
    """What a writer has committed."""

    rows: dict[int, Row] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)


class Writer:
    """One connection's transactions; `ledger` is what they have left."""

    def __init__(self, traffic: Traffic, number: int) -> None:
        self.traffic = traffic
        self.shape = traffic.shape
        self.number = number
        self.names = traffic.shape.names
        self.rng = random.Random(f"{traffic.seed} {number}")
        self.ledger = Ledger()
        self._next = (number + 1) * 100_000_000

    # -- one transaction -----------------------------------------------------------------

    def transaction(self, conn: psycopg.Connection) -> None:
        """Some changes; the ledger keeps them if they are committed."""
        self._undo: list[tuple[int, Row | None, bool]] = []
        self._redo: list[tuple[int, Row | None, bool]] = []
        is_committed = False
        try:
            with conn.transaction() as transaction:
                for _ in range(self.rng.choice([1, 1, 2, 4])):
                    self.rng.choices(*zip(*self._changes, strict=True))[0](conn)
                if self.rng.random() < 0.1:
                    raise psycopg.Rollback(transaction)
                self._before_commit(conn)
                is_committed = True
        except BaseException:
            is_committed = False
            raise
        finally:
            if not is_committed:
                self._take_back()

    def _before_commit(self, conn: psycopg.Connection) -> None:
        """Last statement."""

    def _take_back(self) -> None:
        for key, row, was_deleted in reversed(self._undo):
            self.ledger.rows.pop(key, None)
            self.ledger.deleted.discard(key)
            if row is not None:
                self.ledger.rows[key] = row
            if was_deleted:
                self.ledger.deleted.add(key)

    def _put(self, key: int, row: Row | None, *, is_deleted: bool = False) -> None:
        self._undo.append((key, self.ledger.rows.get(key), key in self.ledger.deleted))
        self._redo.append((key, row, is_deleted))
        if row is None:
            del self.ledger.rows[key]
        else:
            self.ledger.rows[key] = row
        if is_deleted:
            self.ledger.deleted.add(key)

    @property
    def _changes(self) -> tuple[tuple[Callable[[psycopg.Connection], None], float], ...]:
        return (
            (self._insert, 30),
            (self._copy, 1),
            (self._update_values, 25),
            (self._update_many, 6),
            (self._update_key, 12),
            (self._update_time, 12),
            (self._delete, 12),
            (self._touch_parent, 8),
        )

    def _sql(self, text: str) -> bytes:
        key, time, instrument, price, volume = self.names
        return text.format(
            table=self.shape.table, key=key, time=time, instrument=instrument, price=price, volume=volume
        ).encode()

    def _some_row(self) -> Row:
        month = self.rng.choice(self.traffic.months)
        price = None if self.rng.random() < 0.1 else self.rng.randrange(1, 400_000) / 4
        at = month + timedelta(microseconds=self.rng.randrange(28 * 86_400_000_000))
        return at, self.rng.randrange(1, 9), price, self.rng.randrange(1_000_000)

    def _some_keys(self, count: int) -> list[int]:
        keys = list(self.ledger.rows)
        return self.rng.sample(keys, min(count, len(keys)))

    def _new_key(self) -> int:
        self._next += 1
        return self._next

    def _insert(self, conn: psycopg.Connection) -> None:
        row = self._some_row()
        query = self._sql(
            "INSERT INTO {table} ({time}, {instrument}, {price}, {volume}) VALUES (%s, %s, %s, %s) RETURNING {key}"
        )
        found = conn.execute(query, row).fetchone()
        assert found is not None
        assert found[0] not in self.ledger.rows, "an id was given twice"
        self._put(found[0], row)

    def _copy(self, conn: psycopg.Connection) -> None:
        rows = {self._new_key(): self._some_row() for _ in range(500)}
        query = self._sql("COPY {table} ({key}, {time}, {instrument}, {price}, {volume}) FROM STDIN")
        with conn.cursor().copy(query) as copy:
            for key, row in rows.items():
                copy.write_row((key, *row))
        for key, row in rows.items():
            self._put(key, row)

    def _change(self, conn: psycopg.Connection, query: str, arguments: list[Any], keys: list[int]) -> None:
        count = conn.execute(self._sql(query), arguments).rowcount
        assert count == len(keys), f"{query} with {arguments} found {count} rows"

    def _update_values(self, conn: psycopg.Connection) -> None:
        for key in self._some_keys(1):
            at, instrument, _, _ = self.ledger.rows[key]
            _, _, price, volume = self._some_row()
            self._change(
                conn, "UPDATE {table} SET {price} = %s, {volume} = %s WHERE {key} = %s", [price, volume, key], [key]
            )
            self._put(key, (at, instrument, price, volume))

    def _update_many(self, conn: psycopg.Connection) -> None:
        keys = self._some_keys(20)
        self._change(
            conn,
            "UPDATE {table} SET {volume} = coalesce({volume}, 0) + 1 WHERE {key} = ANY (%s)",
            [keys],
            keys,
        )
        for key in keys:
            at, instrument, price, volume = self.ledger.rows[key]
            self._put(key, (at, instrument, price, (volume or 0) + 1))

    def _update_key(self, conn: psycopg.Connection) -> None:
        for key in self._some_keys(1):
            new, row = self._new_key(), self.ledger.rows[key]
            self._change(conn, "UPDATE {table} SET {key} = %s WHERE {key} = %s", [new, key], [key])
            self._put(key, None)
            self._put(new, row)

    def _update_time(self, conn: psycopg.Connection) -> None:
        for key in self._some_keys(1):
            at = self._some_row()[0]
            self._change(conn, "UPDATE {table} SET {time} = %s WHERE {key} = %s", [at, key], [key])
            self._put(key, (at, *self.ledger.rows[key][1:]))

    def _delete(self, conn: psycopg.Connection) -> None:
        for key in self._some_keys(1):
            if self.shape.is_soft:  # marks the row and says that it deleted none
                conn.execute(self._sql("DELETE FROM {table} WHERE {key} = %s"), [key])
            else:
                self._change(conn, "DELETE FROM {table} WHERE {key} = %s", [key], [key])
            self._put(key, None, is_deleted=self.shape.is_soft)

    def _touch_parent(self, conn: psycopg.Connection) -> None:
        """As ingest does; or a parent that nobody references comes and goes, for which its children are looked at."""
        if self.shape.is_soft:
            conn.execute("UPDATE instruments SET last_price = 1 WHERE id = %s", [self.number + 1])
        else:
            conn.execute("INSERT INTO venue VALUES (%s)", [1000 + self.number])
            conn.execute("DELETE FROM venue WHERE id = %s", [1000 + self.number])

    # -- many ----------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        dsn = make_conninfo(self.traffic.dsn, application_name="writer")
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.isolation_level = ISOLATION[self.number]
            while not stop.is_set():
                began = time.monotonic()
                self.attempt(conn)
                # moderate, also where the processors are busy: writers that take all there is leave a swap no moment
                # without an old transaction, and the log grows faster than it is drained
                stop.wait(0.01 + 2 * (time.monotonic() - began))

    def attempt(self, conn: psycopg.Connection) -> None:
        """A transaction that may end in a documented error."""
        try:
            self.transaction(conn)
        except psycopg.errors.SerializationFailure:
            self.traffic.met["40001"] += 1
        except psycopg.errors.FeatureNotSupported:  # prepared by psycopg, of an INSERT … RETURNING
            self.traffic.met["0A000"] += 1
            conn.execute("DEALLOCATE ALL")
        except psycopg.errors.UndefinedColumn:
            if self.shape.names == NAMES:
                raise
            self.traffic.met["42703"] += 1
            self.names = NAMES if self.names == self.shape.names else self.shape.names
        else:
            self.traffic.met["transactions"] += 1


#: Longest wait of anybody for a session that rebuilds, and for what; what waits for another writer is not its matter.
_WAITS = """
SELECT extract(epoch FROM clock_timestamp() - w.waitstart)::float8 * 1000,
       format('%s on %s: %s, behind %s', w.mode, coalesce(w.relation::regclass::text, w.locktype), a.query, m.query)
FROM pg_locks AS w
JOIN pg_stat_activity AS a ON a.pid = w.pid AND a.application_name <> 'rebuilder'
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
JOIN pg_stat_activity AS m ON m.pid = b.pid AND m.application_name = 'rebuilder'
WHERE NOT w.granted AND w.waitstart IS NOT NULL AND a.datname = current_database()
ORDER BY 1 DESC LIMIT 1
"""


class Traffic:
    """Writers, a reader and a sampler of lock waits; `failed` is what must stay empty."""

    def __init__(self, dsn: str, admin: str, shape: Shape, seed: int, *, writers: int = WRITERS) -> None:
        self.dsn, self.admin, self.shape, self.seed = dsn, admin, shape, seed
        self.months = [datetime(2026, month, 1) for month in (4, 5, 6)]
        self.stop = threading.Event()
        self.met: Counter[str] = Counter()
        self.failed: list[str] = []
        self.longest: tuple[float, str] = (0.0, "")
        self.writers = [self._writer(number) for number in range(writers)]
        self.untouched = ""
        self._rest = "false"

    def _writer(self, number: int) -> Writer:
        return Writer(self, number)

    def _beside(self) -> list[Callable[[], None]]:
        return [self._sample, self._read]

    def own_what_is_there(self, conn: psycopg.Connection, *, stride: int = 1) -> None:
        """Share out the rows; of many only some, the rest must stay as it is."""
        key, *_ = self.shape.names
        every = stride * len(self.writers)
        for id_, row, _ in _rows(conn, self.shape, self.shape.table, f"{key} % {every} < {len(self.writers)}"):
            self.writers[id_ % every].ledger.rows[id_] = row
        last = value(conn, f"SELECT max({key}) FROM {self.shape.table}")
        self._rest = f"{{0}} <= {last} AND {{0}} % {every} >= {len(self.writers)}"
        self.untouched = self._hash(conn, self.shape.table)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.stop = threading.Event()
        work = self._beside()
        work += [lambda writer=writer: writer.run(self.stop) for writer in self.writers]  # type: ignore[misc]
        threads = [threading.Thread(target=self._guarded, args=[one]) for one in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        assert not self.failed, self.failed

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.failed.append("".join(traceback.format_exception(error)))
            self.stop.set()

    def written(self, count: int) -> None:
        """Wait for that many more transactions."""
        target = self.met["transactions"] + count
        while self.met["transactions"] < target and not self.stop.wait(0.005):
            pass

    def _sample(self) -> None:
        with psycopg.connect(self.admin, autocommit=True, application_name="sampler") as conn:
            while not self.stop.is_set():
                row = conn.execute(_WAITS.encode()).fetchone()
                if row:
                    self.longest = max(self.longest, (row[0], row[1]))
                self.stop.wait(0.003)

    def _read(self) -> None:
        """Prepared statements of a session that knows nothing of a rebuild: the table is never empty for it."""
        query = f"SELECT t.* FROM {self.shape.table} AS t LIMIT 1".encode()
        with psycopg.connect(self.dsn, autocommit=True, application_name="reader") as conn:
            while not self.stop.is_set():
                try:
                    assert conn.execute(query, prepare=True).fetchone(), "the table was empty"
                    self.met["read"] += 1
                except psycopg.errors.FeatureNotSupported:
                    self.met["0A000 of the reader"] += 1
                    conn.execute("DEALLOCATE ALL")
                self.stop.wait(0.005)

    # -- what must be there --------------------------------------------------------------

    def check(self, conn: psycopg.Connection, *, shadow: bool = True) -> None:
        """The table, and the one that is kept in step, hold what the writers have committed, and nothing else."""
        tables = [self.shape.table]
        if shadow:
            query = "SELECT (CASE state WHEN 'cut over' THEN source ELSE target END)::text FROM dbperf.rebuild WHERE ended_at IS NULL"
            tables.append(value(conn, query))
        wanted = {key: row for writer in self.writers for key, row in writer.ledger.rows.items()}
        deleted = {key for writer in self.writers for key in writer.ledger.deleted}
        for table in tables:
            found = _rows(conn, self.shape, table, f"NOT ({self._rest})")
            assert len({key for key, _, _ in found}) == len(found), f"{table}: a row is there twice"
            there = {key: row for key, row, is_deleted in found if not is_deleted}
            wrong = {key for key in there.keys() | wanted.keys() if there.get(key) != wanted.get(key)}
            report = [(key, wanted.get(key), there.get(key)) for key in sorted(wrong)[:5]]
            assert not wrong, f"{table}: {len(wrong)} rows differ from the ledger: {report}"
            assert {key for key, _, is_deleted in found if is_deleted} == deleted, table
            assert self._hash(conn, table) == self.untouched, table

    def _hash(self, conn: psycopg.Connection, table: str) -> str:
        key, *others = _names(conn, self.shape, table)
        others[2] += "::double precision"
        return str(
            value(
                conn,
                f"SELECT (count(*), sum(hashtextextended(ROW({key}, {', '.join(others)})::text, 0)::numeric))::text"
                f" FROM {table} WHERE {self._rest.format(key)}",
            )
        )


def _names(conn: psycopg.Connection, shape: Shape, table: str) -> list[str]:
    query = "SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s AND NOT attisdropped"
    return list(shape.names if value(conn, query, table, shape.names[0]) else NAMES)


def _rows(conn: psycopg.Connection, shape: Shape, table: str, condition: str) -> list[tuple[int, Row, bool]]:
    key, time, instrument, price, volume = _names(conn, shape, table)
    is_deleted = "deleted_at IS NOT NULL" if shape.is_soft else "false"
    condition = condition.format(key).replace(shape.names[0] + " %", key + " %")
    query = (
        f"SELECT {key}, {time}::text, {instrument}, {price}::double precision, {volume}, {is_deleted} FROM {table}"
        f" WHERE {condition}"
    )
    found = []
    for id_, at, instrument_id, amount, size, gone in conn.execute(query.encode()):
        found.append((id_, (_time(at), instrument_id, amount, size), gone))
    return found


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
