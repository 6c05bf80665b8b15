"""One batch on its way into a table: a COPY, and around it whatever its `Settings` ask for."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import psycopg

from dbperf.aio.iterate import arun, atake
from dbperf.aio.lookup import ask as aask
from dbperf.aio.lookup import check_unchanged as acheck_unchanged
from dbperf.copy.blocks import BlockEncoder, Part, good_parts
from dbperf.copy.catalog import HEADER, PARTITION_COLUMN, TRAILER, Column, copy_statement
from dbperf.copy.ledger import BEGIN, END
from dbperf.copy.moments import Touched, hours_of, listed
from dbperf.copy.options import CopyResult, Settings
from dbperf.copy.progress import Meter
from dbperf.copy.quarantine import INSERT, Quarantine, encoding_of
from dbperf.copy.rights import rights_error
from dbperf.errors import BatchError, ColumnError, PartitionBoundsError, RowError, own_error
from dbperf.migrations.session import sibling
from dbperf.partitions import ensure_hours

_SETTLE = "SELECT * FROM dbperf.settle_staging(%s, %s, %s, %s::name[], %s::name[], %s::name, %s, %s, %s)"

_TOUCH = "SELECT dbperf.touch_instruments(%s, %s::bigint[], %s, %s)"

_STAGED = "dbperf_row"

#: What the server says of bytes that were meant for another type.
_MISREAD = ("08P01", "22P03")

#: What it raises for a row that it cannot store: a domain's CHECK is an integrity error; a row may be too long.
_BAD = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.NameTooLong,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


class Batch:
    """Writes one batch.

    Args:
        conn: where; in autocommit, or in the caller's transaction.
        columns: the columns that it fills.
        encoder: for these columns, numbered if the batch is staged.
        settings: see `Settings`.
        piece: of a batch of which this is one: how it is called in the ledger, after the batch; and what counts for
            all of them.
    """

    def __init__(
        self,
        conn: psycopg.AsyncConnection[Any],
        columns: Sequence[Column],
        encoder: BlockEncoder,
        settings: Settings,
        piece: tuple[str, Meter] | None = None,
    ) -> None:
        self._conn, self._encoder, self._settings = conn, encoder, settings
        self._columns, self._target = columns, columns[0].table
        self._names = [column.name for column in columns]
        self._check_names()
        self._is_piece = piece is not None
        name, self._meter = piece or ("", Meter(settings.progress, [conn]))
        self._id = settings.batch_id and settings.batch_id + name
        self._rows = self._bytes = 0
        self._quarantine: Quarantine | None = None
        if settings.max_errors is not None:
            self._quarantine = Quarantine(self._target, settings.batch_id, settings.max_errors, encoding_of(conn))
        self._hash = None
        if settings.batch_id is not None and (settings.content_hash is None or self._is_piece):
            self._hash = hashlib.sha256(repr([column[:6] for column in columns]).encode())
        self._touched = Touched(columns) if settings.touch_instruments else None
        self._partitioned: int | None = None  # place of the column that partitions are chosen by
        self._known: set[dt.datetime] = set()  # hours that have their partition
        self._parts: Iterator[Part] | AsyncIterator[Part] = iter(())

    async def write(self, parts: Iterator[Part] | AsyncIterator[Part]) -> CopyResult:
        """Write what *parts* hold: all of it, or nothing.

        Raises:
            RowError, BatchError, BadRowsError, PartitionBoundsError, psycopg.Error: nothing of it was stored.
        """
        self._parts = parts
        try:
            return await self._write(await self._next())
        except psycopg.Error as error:
            if error.sqlstate in _MISREAD:
                await self._check_unchanged()
            raise own_error(rights_error(error, self._settings, self._target, self._conn)) from None
        finally:
            if not self._is_piece:
                self._meter.close()

    def _check_names(self) -> None:
        """Raise ColumnError if an option names what the batch does not have."""
        asked, policy = self._settings, self._settings.policy
        for option, names in {
            "key": asked.key or (),
            "update": asked.update or (),
            "newer": [asked.newer] if asked.newer else (),
            "scale": policy.scale,
            "round": policy.round,
        }.items():
            if missing := [name for name in names if name not in self._names]:
                raise ColumnError(f"{option} names column {missing[0]}, which the batch does not fill")

    async def _next(self) -> Part | None:
        taken: list[Part] = await atake(self._parts, 1)
        return taken[0] if taken else None

    def _result(self, counts: Sequence[int], *, duplicate: bool = False) -> CopyResult:
        inserted, updated, ignored, quarantined = counts
        return CopyResult(
            sum(counts), self._bytes, self._meter.seconds, inserted, updated, ignored, quarantined, duplicate
        )

    async def _write(self, first: Part | None) -> CopyResult:
        await self._find_partition_column()
        if first is not None and self._quarantine is None:
            await self._ensure(self._missing_hours(first))  # before anything is locked
        async with self._conn.transaction():
            if self._id is not None:
                stored = await aask(self._conn, BEGIN, self._id, self._target)
                if stored is not None:
                    await self._compare(stored[0], first)
                    return self._result(stored[1:], duplicate=True)
            counts = (0, 0, 0, 0) if first is None else await self._store(first)
            if self._touched is not None and self._touched.ids:
                touched = sorted(self._touched.ids), *self._touched.between()
                await aask(self._conn, _TOUCH, self._target, *touched)
            await self._check_unchanged()
            if self._id is not None:
                await aask(self._conn, END, self._id, self._content_hash(), *counts)
        return self._result(counts)

    async def _store(self, first: Part) -> tuple[int, int, int, int]:
        if not self._settings.is_staged:
            inserted = await self._copy(copy_statement(self._target, self._names), first)
            return inserted, 0, self._rows - inserted, 0
        made = await aask(self._conn, "SELECT dbperf.make_staging(%s, %s::name[])::text", self._target, self._names)
        assert made is not None
        staging: str = made[0]
        statement = copy_statement(staging, [_STAGED, *self._names])
        if self._quarantine is None:
            await self._copy(statement, first)
        else:
            await self._copy_good(statement, first, self._quarantine)
        return await self._settle(staging)

    async def _settle(self, staging: str) -> tuple[int, int, int, int]:
        asked, bad = self._settings, self._quarantine
        how = asked.on_conflict, asked.key, asked.update, asked.newer, asked.on_deleted
        limit = None if bad is None else bad.left
        settled = await aask(self._conn, _SETTLE, self._target, staging, *how, limit, asked.batch_id)
        assert settled is not None
        await self._conn.execute(f"DROP TABLE {staging}".encode())
        inserted, updated, ignored, quarantined = settled
        if bad is not None and bad.rows:
            async with psycopg.AsyncCursor(self._conn) as cursor:
                await cursor.executemany(INSERT, bad.rows)
            quarantined += len(bad.rows)
        return inserted, updated, ignored, quarantined

    # -- COPY ----------------------------------------------------------------------------

    async def _copy(self, statement: Any, first: Part) -> int:
        """All parts, with as few COPYs as possible; returns the rows that the server has stored."""
        stored = 0
        part: Part | None = first
        data = self._encoder.encode(first)  # what does not fit here leaves the transaction usable
        missing: set[dt.datetime] = set()
        while part is not None:
            async with self._conn.cursor() as cursor:
                async with cursor.copy(statement) as copy:
                    self._count(0, len(HEADER) + len(TRAILER))
                    before = HEADER
                    while part is not None:
                        self._note(part, data)
                        part = await self._next()
                        after = TRAILER if part is None else b""
                        await copy.write(b"".join((before, data, after)) if before or after else data)
                        await self._tell()
                        if part is None:
                            break
                        before, data = b"", self._encoder.encode(part)
                        if missing := self._missing_hours(part):
                            await copy.write(TRAILER)
                            break
                stored += cursor.rowcount
            await self._ensure(missing)  # a COPY that runs does not see partitions that are made meanwhile
        return stored

    async def _copy_good(self, statement: Any, first: Part, quarantine: Quarantine) -> None:
        """All parts but the rows that do not fit, each part by itself."""
        part: Part | None = first
        while part is not None:
            for good, data in good_parts(part, self._encoder, self._refuse):
                self._note(good, data)
                await self._ensure(self._missing_hours(good))
                await self._copy_part(statement, good, data, quarantine)
            await self._tell()
            part = await self._next()

    async def _copy_part(self, statement: Any, part: Part, data: bytes | memoryview, quarantine: Quarantine) -> None:
        """The rows of *part* that the server can read: halves it until it is one row that it cannot."""
        try:
            async with self._conn.transaction(), self._conn.cursor() as cursor, cursor.copy(statement) as copy:
                await copy.write(HEADER)
                await copy.write(data)
                await copy.write(TRAILER)
        except _BAD as error:
            if len(part) == 1:
                quarantine.refuse_for_server(part.numbers[0], error, part.row(0))
                return
            middle = len(part) // 2
            for half in (part.part(0, middle), part.part(middle, len(part))):
                await self._copy_part(statement, half, self._encoder.encode(half), quarantine)

    def _note(self, part: Part, data: bytes | memoryview) -> None:
        self._count(len(part), len(data))
        if self._hash is not None:
            self._hash.update(data)
        if self._touched is not None:
            self._touched.add(part)

    def _count(self, rows: int, size: int) -> None:
        self._rows += rows
        self._bytes += size
        self._meter.count(rows, size)

    def _refuse(self, error: RowError, row: Any) -> None:
        assert self._quarantine is not None
        self._quarantine.refuse(error, row)
        if self._hash is not None:
            self._hash.update(repr(row).encode("utf-8", "backslashreplace"))

    def _content_hash(self) -> str | None:
        return self._settings.content_hash if self._hash is None else self._hash.hexdigest()

    async def _tell(self) -> None:
        if self._meter.is_due():
            self._meter.tell(await arun(self._meter.look))

    # -- what goes before ------------------------------------------------------------------

    async def _compare(self, stored: str, first: Part | None) -> None:
        """Read the batch to its end, without sending anything.

        Raises:
            BatchError: it is not what was stored.
        """
        part = first if self._hash is not None else None
        while part is not None:
            if self._quarantine is None:
                self._note(part, self._encoder.encode(part))
            else:
                for good, data in good_parts(part, self._encoder, self._refuse):
                    self._note(good, data)
            part = await self._next()
        if self._content_hash() != stored:
            remedy = "give this one another id"
            if self._is_piece:  # under another id the other pieces would be stored twice
                remedy = "write the whole as it was written then, in the same chunks and with the same options"
            raise BatchError(f"batch {self._id} was stored before with other content: {remedy}")

    async def _check_unchanged(self) -> None:
        await acheck_unchanged(self._conn, self._columns, is_staged=self._settings.is_staged)

    async def _find_partition_column(self) -> None:
        if not self._settings.ensure_partitions:
            return
        key = await aask(self._conn, PARTITION_COLUMN, self._target)
        if key is not None and key[0] in self._names:
            self._partitioned = self._names.index(key[0])

    def _missing_hours(self, part: Part) -> set[dt.datetime]:
        """The hours of *part* that nobody has made sure of yet."""
        if self._partitioned is None:
            return set()
        policy = self._settings.policy
        are_rounded = policy.nanoseconds == "round" or self._names[self._partitioned] in policy.round
        return hours_of(listed(part.columns()[self._partitioned]), are_rounded=are_rounded) - self._known

    async def _ensure(self, missing: set[dt.datetime]) -> None:
        """Make the partitions that rows of these hours need, on a connection of its own."""
        if not missing or self._partitioned is None:
            return
        refused = await arun(ensure_hours, sibling(self._conn), self._target, missing)
        self._known |= missing
        if refused and self._quarantine is None:
            hour, reason = min(refused.items())
            raise PartitionBoundsError(f"column {self._names[self._partitioned]} has times of {hour}: {reason}")
