"""What a caller may ask of the writers, and what a writer answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from inspect import iscoroutinefunction
from typing import Any, Literal, TypedDict, cast, get_args

from dbperf.errors import UsageError

OnConflict = Literal["error", "ignore", "update"]
OnError = Literal["stop", "quarantine"]
OnDeleted = Literal["error", "keep", "revive"]
Nanoseconds = Literal["error", "truncate", "round"]
Commit = Literal["together", "each"]


class Options(TypedDict, total=False):
    """Keyword arguments of `copy_rows`, `copy_columns` and `copy_arrow`. All but the policies need `dbperf migrate`.

    Attributes:
        on_conflict: what becomes of a row whose *key* the table has: ``"error"`` (the default), ``"ignore"``, or
            ``"update"`` the row that is there. Rows then go through a temporary table, and are inserted in the order of
            the key, so that writers of the same keys do not deadlock. Of rows with one key within a batch the last one
            counts for ``"update"``, the first for ``"ignore"``; the others are `CopyResult.ignored`.
        key: columns of a unique index; by default the primary key's.
        update: columns that ``"update"`` sets; by default all that the batch fills but the key's.
        newer: only update where this column's new value is greater than the old one, or that is NULL; within a batch
            the greatest counts. ``"update"`` sets it, too.
        on_deleted: what becomes of a row whose key belongs to a soft-deleted one: ``"error"`` (the default),
            ``"keep"`` that deleted and ignore the row, or, of ``"update"`` alone, ``"revive"`` it with the row's
            values, which needs EXECUTE on ``dbperf.revive_rows``; writers that revive can deadlock (40P01: call again).
            A table that is not hot decides itself between error and revive.
        on_error: ``"stop"`` (the default) stores nothing of a batch with a bad row; ``"quarantine"`` writes bad rows to
            ``dbperf.quarantine`` with the reason and stores the others. Bad is what does not fit its column, breaks a
            constraint, has no partition, or is refused by a trigger with RAISE or an SQLSTATE of these classes.
        max_errors: how many bad rows a batch may have; with one more nothing of it is stored. By default 1,000.
        batch_id: the batch's name in ``dbperf.batch_ledger``, of your choice, unique within the database, recorded in
            the transaction that stores the rows. The same call again stores nothing and says so
            (`CopyResult.duplicate_batch`), also after a COMMIT whose answer was lost; other content under the same id
            is a `BatchError`.
        content_hash: what tells this content from any other, if you know that already; the rows are hashed otherwise.
        ensure_partitions: make partitions that the rows need first, on a connection of their own, where a date or time
            is what they are made by. A time that the partition policy does not allow is a bad row.
        touch_instruments: set ``instruments.last_tick`` and ``last_price`` to each instrument's newest row of the
            batch, if it is newer than what is there: one UPDATE, in the order of the ids, at the end.
        parallel: how many connections of the pool write at once. The rows are asked for by the caller alone, in order.
        commit: ``"together"`` (the default): in one transaction for each connection, none of which ends before all are
            ready; only if client, network or server dies between these COMMITs is a part stored. ``"each"``: of some
            16,000 rows, each a batch in the ledger, so it needs a *batch_id*. Either way the same call with the same
            *batch_id* stores what is missing, once. *max_errors* then counts by piece.
        scale: decimals that a column keeps, by its name, where its type does not say: prices once ``numeric(12,4)``.
        round: columns that are rounded to what they keep; a finer value is refused otherwise. Numbers half-even, to the
            scale; times and intervals by the server: half up, but half down of timestamps before 2000 and of negative
            intervals, and what ``interval hour to minute`` and the like do not keep is cut off.
        nanoseconds: ``"error"`` (the default), ``"truncate"`` or ``"round"`` (half to even) to microseconds.
        nan_is_null: store NULL for a NaN.
        naive_is_utc: take times without a time zone as UTC for ``timestamptz``, and turn those with one to UTC for
            ``timestamp``.
        progress: called with a `Progress` after each block of rows, at most ten times a second.
    """

    on_conflict: OnConflict
    key: Sequence[str]
    update: Sequence[str]
    newer: str
    on_deleted: OnDeleted
    on_error: OnError
    max_errors: int
    batch_id: str
    content_hash: str
    ensure_partitions: bool
    touch_instruments: bool
    parallel: int
    commit: Commit
    scale: Mapping[str, int]
    round: Collection[str]
    nanoseconds: Nanoseconds
    nan_is_null: bool
    naive_is_utc: bool
    progress: Callable[[Progress], object]


@dataclass(frozen=True)
class CopyResult:
    """What one batch did: *rows* is the sum of *inserted*, *updated*, *ignored* and *quarantined*.

    Attributes:
        rows: rows of the batch.
        bytes: size of what was sent, in bytes.
        seconds: wall time, in seconds.
        inserted: rows that are new in the table.
        updated: rows that changed one that was there, or brought it back.
        ignored: rows left out: their key was there already, twice in the batch, or a trigger left them out.
        quarantined: bad rows that are in ``dbperf.quarantine`` now.
        duplicate_batch: the batch was stored before: this time nothing was. The other counts are those of then.
    """

    rows: int
    bytes: int = 0
    seconds: float = 0.0
    inserted: int = 0
    updated: int = 0
    ignored: int = 0
    quarantined: int = 0
    duplicate_batch: bool = False


def total(results: Sequence[CopyResult], seconds: float = 0.0) -> CopyResult:
    """Of a batch that was written in pieces."""
    return CopyResult(
        rows=sum(result.rows for result in results),
        bytes=sum(result.bytes for result in results),
        seconds=seconds,
        inserted=sum(result.inserted for result in results),
        updated=sum(result.updated for result in results),
        ignored=sum(result.ignored for result in results),
        quarantined=sum(result.quarantined for result in results),
        duplicate_batch=bool(results) and all(result.duplicate_batch for result in results),
    )


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    Attributes:
        rows: rows sent.
        bytes: bytes sent.
        seconds: since the beginning.
        server_rows: rows that the server has processed of the running COPY (``pg_stat_progress_copy``); None if it
            does not say.
    """

    rows: int
    bytes: int
    seconds: float
    server_rows: int | None

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Policy:
    """How values that do not fit as they are get into their columns; by default, not at all."""

    scale: Mapping[str, int] = field(default_factory=dict)
    round: Collection[str] = ()
    nanoseconds: Nanoseconds = "error"
    nan_is_null: bool = False
    naive_is_utc: bool = False


@dataclass(frozen=True)
class Settings:
    """`Options`, checked."""

    policy: Policy
    on_conflict: OnConflict
    key: list[str] | None
    update: list[str] | None
    newer: str | None
    on_deleted: OnDeleted
    max_errors: int | None
    batch_id: str | None
    content_hash: str | None
    ensure_partitions: bool
    touch_instruments: bool
    parallel: int
    commit: Commit
    progress: Callable[[Progress], object] | None

    @property
    def is_staged(self) -> bool:
        """Whether rows go through a temporary table."""
        return self.on_conflict != "error" or self.max_errors is not None

    @property
    def is_split(self) -> bool:
        """Whether a batch is more than one transaction."""
        return self.parallel > 1 or self.commit == "each"

    @property
    def is_plain(self) -> bool:
        """Whether a batch is one COPY and nothing else."""
        return not (self.is_staged or self.batch_id or self.ensure_partitions or self.touch_instruments)


_CHOICES: dict[str, tuple[Any, ...]] = {
    "on_conflict": get_args(OnConflict),
    "on_error": get_args(OnError),
    "on_deleted": get_args(OnDeleted),
    "nanoseconds": get_args(Nanoseconds),
    "commit": get_args(Commit),
}

#: Of what type an option is, and how that is called.
_KINDS: dict[str, tuple[type, str]] = {
    "batch_id": (str, "a text"),
    "content_hash": (str, "a text"),
    "newer": (str, "the name of a column"),
    "max_errors": (int, "a number"),
    "parallel": (int, "a number"),
    "scale": (Mapping, "a mapping from columns to numbers"),
    "key": (Collection, "a list of columns"),
    "update": (Collection, "a list of columns"),
    "round": (Collection, "a list of columns"),
    "progress": (Callable, "a function"),  # type: ignore[dict-item]
}

#: Options that say nothing without "update", or without a conflict that is no error.
_NEED_UPDATE, _NEED_CONFLICT = ("update", "newer"), ("key", "on_deleted")

MAX_ERRORS = 1000


def settings_of(options: Options) -> Settings:
    """*options* with what is not said.

    Raises:
        TypeError: there is no such option.
        UsageError: an option cannot be meant.
    """
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}: there are {', '.join(Options.__annotations__)}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    options = cast(Options, given)
    for name, (kind, called) in _KINDS.items():
        if name in given and (not isinstance(given[name], kind) or (kind is int and isinstance(given[name], bool))):
            raise UsageError(f"{name} is {given[name]!r}, and is to be {called}")
    if iscoroutinefunction(given.get("progress")):
        raise UsageError("progress is called and not awaited: pass an ordinary function")
    for name, choices in _CHOICES.items():
        if given.get(name, choices[0]) not in choices:
            raise UsageError(f"{name} is {given[name]!r}, and can be {', '.join(map(repr, choices))}")
    on_conflict = options.get("on_conflict", "error")
    useless = _NEED_UPDATE * (on_conflict != "update") + _NEED_CONFLICT * (on_conflict == "error")
    if meant := [name for name in useless if name in given]:
        raise UsageError(f"{meant[0]} says nothing with on_conflict={on_conflict!r}")
    for name in ("key", "update", "round"):
        if isinstance(given.get(name), str):
            raise UsageError(f"{name} is a list of columns: pass [{given[name]!r}]")
    quarantines = options.get("on_error", "stop") == "quarantine"
    if "max_errors" in given and not quarantines:
        raise UsageError("max_errors says nothing with on_error='stop'")
    if options.get("max_errors", 0) < 0:
        raise UsageError("max_errors cannot be negative")
    if options.get("on_deleted") == "revive" and (on_conflict != "update" or quarantines or options.get("newer")):
        raise UsageError("on_deleted='revive' needs on_conflict='update', without newer and without quarantine")
    if options.get("batch_id") == "":
        raise UsageError("batch_id is empty: give the batch a name, or leave it out")
    if "content_hash" in given and "batch_id" not in given:
        raise UsageError("content_hash says nothing without batch_id")
    _check_parallel(options)
    return Settings(
        policy=Policy(**{each.name: given[each.name] for each in fields(Policy) if each.name in given}),
        on_conflict=on_conflict,
        key=_listed(options.get("key")),
        update=_listed(options.get("update")),
        newer=options.get("newer"),
        on_deleted=options.get("on_deleted", "error"),
        max_errors=options.get("max_errors", MAX_ERRORS) if quarantines else None,
        batch_id=options.get("batch_id"),
        content_hash=options.get("content_hash"),
        ensure_partitions=options.get("ensure_partitions", False),
        touch_instruments=options.get("touch_instruments", False),
        parallel=options.get("parallel", 1),
        commit=options.get("commit", "together"),
        progress=options.get("progress"),
    )


def _check_parallel(options: Options) -> None:
    is_each = options.get("commit") == "each"
    if options.get("parallel", 1) < 1:
        raise UsageError("parallel is a number of connections, from 1")
    if is_each and options.get("batch_id") is None:
        raise UsageError("commit='each' needs a batch_id: without, nobody could say what is stored after an error")
    if options.get("touch_instruments") and options.get("parallel", 1) > 1 and not is_each:
        raise UsageError("touch_instruments needs commit='each', or one connection: leave one of the two out")


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
