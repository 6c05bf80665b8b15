"""One batch over several connections of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import AsyncConnectionPool

from dbperf.aio.batch import Batch as AsyncBatch
from dbperf.aio.feed import afeed, afinish
from dbperf.aio.interrupts import ainterrupted_once
from dbperf.aio.iterate import arun, atake
from dbperf.aio.lookup import ask as aask
from dbperf.aio.lookup import rows_of as arows_of
from dbperf.copy.blocks import BlockEncoder, Part
from dbperf.copy.catalog import Column
from dbperf.copy.feed import AHEAD
from dbperf.copy.interrupts import nothing_half_open
from dbperf.copy.ledger import CLAIMED, END_PIECES, SPLIT
from dbperf.copy.options import CopyResult, Settings, total
from dbperf.copy.progress import Meter
from dbperf.copy.rights import rights_error
from dbperf.copy.routing import KEY, Router, Watch, routing_place
from dbperf.errors import BadRowsError, BatchError, own_error

T = TypeVar("T")

#: Parts that one connection stores in a transaction of their own, with their number in the batch.
Piece = tuple[int, list[Part]]

Encoders = Callable[[psycopg.AsyncConnection[Any]], BlockEncoder]

#: Rows of a piece that is committed by itself, at least, but the last ones.
_PIECE_ROWS = 16_384

# First in each transaction of a batch that ends together: what could make a COMMIT fail after another one.
_STEADY = (
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)

# Two such batches could wait for each other by way of their clients, which no server sees: for rows of one table, or of
# one that triggers of both change.
_ALONE = "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('dbperf parallel', 0))"

# Who takes several connections of a pool: two at once could each wait for what the other has.
_taking: WeakKeyDictionary[AsyncConnectionPool[Any], asyncio.Lock] = WeakKeyDictionary()


class Parallel:
    """Writes one batch over several connections, which take its parts in turn.

    Where keys may meet, all rows that have one value in a column of the key go through one connection, in their order:
    of rows with one key the same one counts as on one connection, and no connection waits for a row of another.

    Args:
        pool: where from.
        columns: the columns that it fills.
        encoders: makes an encoder for them on a connection.
        settings: see `Settings`.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Any], columns: Sequence[Column], encoders: Encoders, settings: Settings
    ) -> None:
        self._pool, self._columns, self._encoders, self._settings = pool, columns, encoders, settings
        self._target = columns[0].table
        self._conns: list[psycopg.AsyncConnection[Any]] = []
        self._meter = Meter(settings.progress, self._conns)
        self._is_stored = False  # all of it: then nothing may be stored
        self._split = f"{settings.parallel} connections, commit {settings.commit}"
        if settings.commit == "each":
            self._split += f", {_PIECE_ROWS} rows, {AHEAD} ahead"

    async def write(self, parts: Iterator[Part] | AsyncIterator[Part]) -> CopyResult:
        """Write what *parts* hold, in transactions that end together, or each piece in its own.

        Raises:
            psycopg.Error and others: as of `Batch.write`; of several the first.
        """
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(ainterrupted_once())  # left last, when all is given back
                async with _taking.setdefault(self._pool, asyncio.Lock()):
                    for _ in range(self._settings.parallel):
                        self._conns.append(await stack.enter_async_context(self._pool.connection()))
                stack.enter_context(nothing_half_open(self._conns))
                return await self._write(parts)
        except psycopg.Error as error:
            if self._conns:
                error = rights_error(error, self._settings, self._target, self._conns[0])
            raise own_error(error) from None
        finally:
            self._meter.close()

    async def _write(self, parts: Iterator[Part] | AsyncIterator[Part]) -> CopyResult:
        stored = await self._begin()
        if stored is not None and self._settings.content_hash is not None:
            return stored
        self._is_stored = stored is not None
        deal = self._deal(parts, await self._router())
        write = self._write_each if self._settings.commit == "each" else self._write_together
        result = total(await write(deal), self._meter.seconds)
        if stored is None:
            return result
        if result.rows != stored.rows or (result.rows and not result.duplicate_batch):
            raise self._other()
        return replace(result, duplicate_batch=True)

    # -- the ledger ----------------------------------------------------------------------

    async def _begin(self) -> CopyResult | None:
        """Note how the batch is split, before a piece of it is stored; what was stored, if all of it was.

        Raises:
            BatchError: with other content, or split in another way.
        """
        asked = self._settings
        if asked.batch_id is None:
            return None
        async with self._conns[0].transaction():
            stored = await aask(self._conns[0], SPLIT, asked.batch_id, self._target, self._split)
        if stored is None:
            return None
        if stored[0] != (asked.content_hash or self._split):
            raise self._other()
        inserted, updated, ignored, quarantined = stored[1:]
        return CopyResult(sum(stored[1:]), 0, self._meter.seconds, inserted, updated, ignored, quarantined, True)

    def _other(self) -> BatchError:
        return BatchError(
            f"batch {self._settings.batch_id} was stored before, with other content, parallel or commit: call it as it "
            "was called then, or give this one another id"
        )

    async def _end(self, results: Sequence[CopyResult]) -> None:
        asked, whole = self._settings, total(results)
        if asked.batch_id is not None:
            counts = whole.inserted, whole.updated, whole.ignored, whole.quarantined
            await aask(self._conns[0], END_PIECES, asked.batch_id, asked.content_hash or self._split, *counts)

    def _batch(self, conn: psycopg.AsyncConnection[Any], piece: str) -> AsyncBatch:
        return AsyncBatch(conn, self._columns, self._encoders(conn), self._settings, (piece, self._meter))

    # -- together, or each -----------------------------------------------------------------

    async def _write_together(self, deal: AsyncIterator[tuple[int, Part]]) -> list[CopyResult]:
        async with AsyncExitStack() as stack:
            for conn in self._conns:
                await stack.enter_async_context(conn.transaction(force_rollback=self._is_stored))
                for statement in _STEADY:
                    await conn.execute(statement)
            await aask(self._conns[0], _ALONE)
            watch = stack.enter_context(Watch([await _pid(conn) for conn in self._conns], self._conns[0]))
            await arun(watch.begin)
            results = await afeed(self._conns, self._write_part, deal, watch.look)
            self._check_bad_rows(results)
            await self._end(results)
            for conn in self._conns:  # what fails, or is not there any more, is to fail before anybody commits
                await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await afinish(stack)  # ends the last one first: if its COMMIT fails, nobody commits
            return results

    async def _write_part(self, conn: psycopg.AsyncConnection[Any], parts: AsyncIterator[Part]) -> CopyResult:
        return await self._batch(conn, f" / {self._conns.index(conn) + 1} of {len(self._conns)}").write(parts)

    def _check_bad_rows(self, results: Sequence[CopyResult]) -> None:
        bad, most = sum(result.quarantined for result in results), self._settings.max_errors
        if most is not None and bad > most:
            raise BadRowsError(
                f"the batch has {bad} bad rows, more than max_errors={most} allows; nothing of it was stored: mend the "
                "rows, or raise max_errors"
            )

    async def _write_each(self, deal: AsyncIterator[tuple[int, Part]]) -> list[CopyResult]:
        pieces = _pieces(deal)
        results, missing = await self._compare(pieces)
        if self._is_stored:
            if missing or await atake(pieces, 1):
                raise self._other()
            return results
        for written in await afeed(self._conns, self._write_pieces, _chained(missing, pieces), None):
            results += written
        if await self._stored_after(len(results)):  # by somebody else, meanwhile
            raise self._other()
        async with self._conns[0].transaction():
            await self._end(results)
        return results

    async def _compare(
        self, pieces: AsyncIterator[tuple[int, Piece]]
    ) -> tuple[list[CopyResult], list[tuple[int, Piece]]]:
        """Read all that an earlier call stored, before a piece is stored.

        Each piece on its own connection, so that none of them is idle for long.

        Returns:
            The results of what is stored, and the pieces between that are not.

        Raises:
            BatchError: it stored something else.
        """
        results: list[CopyResult] = []
        missing: list[tuple[int, Piece]] = []
        while stored := await self._stored_after(len(results) + len(missing)):
            taken = await atake(pieces, 1)
            if not taken:
                raise self._other()
            worker, piece = taken[0]
            if self._name(piece[0]) in stored:
                results.append(await self._write_piece(self._conns[worker], piece))
            else:
                missing.append((worker, piece))
        return results, missing

    async def _stored_after(self, number: int) -> set[str]:
        """Which pieces are stored of those after this *number* that may be; if none of them is, no later one is."""
        names = [self._name(later) for later in range(number + 1, number + 1 + AHEAD * len(self._conns))]
        async with self._conns[0].transaction(force_rollback=True):
            found = await arows_of(self._conns[0], CLAIMED, [names, self._target])
        return {name for (name,) in found}

    def _name(self, number: int) -> str:
        """A piece's in the ledger."""
        return f"{self._settings.batch_id}{self._suffix(number)}"

    def _suffix(self, number: int) -> str:
        return f" / piece {number}, parallel {self._settings.parallel}"

    async def _write_pieces(self, conn: psycopg.AsyncConnection[Any], pieces: AsyncIterator[Piece]) -> list[CopyResult]:
        return [await self._write_piece(conn, piece) async for piece in pieces]

    async def _write_piece(self, conn: psycopg.AsyncConnection[Any], piece: Piece) -> CopyResult:
        number, parts = piece
        async with conn.transaction():
            return await self._batch(conn, self._suffix(number)).write(iter(parts))

    # -- who gets what ---------------------------------------------------------------------

    async def _router(self) -> Router | None:
        """By what keys are told apart; None: any connection may take any row."""
        if not self._settings.is_staged:
            return None
        async with self._conns[0].transaction():
            key = await arows_of(self._conns[0], KEY, {"key": self._settings.key, "table": self._target})
        place = routing_place(self._columns, key, self._settings.policy)
        return None if place is None else Router(self._columns, place, self._conns[0], self._settings)

    async def _deal(
        self, parts: Iterator[Part] | AsyncIterator[Part], router: Router | None
    ) -> AsyncIterator[tuple[int, Part]]:
        turn = 0
        while taken := await atake(parts, 1):
            if router is None:
                yield turn, taken[0]
                turn = (turn + 1) % len(self._conns)
            else:
                for dealt in router.split(taken[0]):
                    yield dealt


async def _pieces(deal: AsyncIterator[tuple[int, Part]]) -> AsyncIterator[tuple[int, Piece]]:
    """Parts of one connection, several at a time."""
    number = 0
    waiting: dict[int, list[Part]] = {}
    async for worker, part in deal:
        parts = waiting.setdefault(worker, [])
        parts.append(part)
        if sum(map(len, parts)) >= _PIECE_ROWS:
            number += 1
            yield worker, (number, waiting.pop(worker))
    for worker, parts in waiting.items():
        number += 1
        yield worker, (number, parts)


async def _chained(first: Sequence[T], then: AsyncIterator[T]) -> AsyncIterator[T]:
    for item in first:
        yield item
    async for item in then:
        yield item


async def _pid(conn: psycopg.AsyncConnection[Any]) -> int:
    """Of the server's process, whatever a pooler says."""
    row = await aask(conn, "SELECT pg_catalog.pg_backend_pid()")
    assert row is not None
    return int(row[0])
