"""What `load` is asked to do, and what it did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dbperf.copy import CopyResult
from dbperf.copy.options import Options as CopyOptions
from dbperf.errors import UsageError
from dbperf.load.csvfile import PLAIN, Dialect

#: As the COLUMN of ``--map``, or in ``--fields``: leave the field out.
IGNORE = "-"


@dataclass(frozen=True)
class Options:
    """What `load` is asked to do.

    Attributes:
        table: a name as in SQL.
        instrument: symbol whose id fills ``instrument_id``.
        create_instrument: insert it when it is not known.
        mapping: field by column, before names and aliases are looked at.
        rounded: columns to round half-even to what they keep.
        times: how times are written that fill a column, if not in ISO 8601; see `times.time_parser`.
        dry_run: roll back in the end.
        format: one of `readers.FORMATS`; None: as the file shows.
        dialect: of CSV.
        writing: as of `copy_rows`: conflicts and bad rows. Its ``batch_id`` by default is made of what is loaded.
    """

    table: str
    instrument: str | None = None
    create_instrument: bool = False
    mapping: tuple[tuple[str, str], ...] = ()
    rounded: tuple[str, ...] = ()
    times: Mapping[str, str] = dataclasses.field(default_factory=dict)
    dry_run: bool = False
    format: str | None = None
    dialect: Dialect = PLAIN
    writing: CopyOptions = dataclasses.field(default_factory=CopyOptions)

    @property
    def is_parallel(self) -> bool:
        """Whether several connections write; what is rolled back, one does."""
        return self.writing.get("parallel", 1) > 1 and not self.dry_run


@dataclass(frozen=True)
class LoadResult:
    """What `load` did; *rounded* counts changed values by column, *recorded*: the same file again changes nothing.

    *only_read* rows count as inserted, of a dry run, whose partitions a load would make first.
    """

    copied: CopyResult
    rounded: dict[str, int]
    created_instrument: str | None
    dry_run: bool
    recorded: bool
    only_read: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rest = {
            "rounded": self.rounded,
            "created_instrument": self.created_instrument,
            "dry_run": self.dry_run,
            "recorded": self.recorded,
            "only_read": self.only_read,
        }
        return asdict(self.copied) | rest

    def in_words(self, name: str) -> str:
        """For people."""
        done = self.copied
        if done.duplicate_batch:
            return (
                f"{name} was loaded before, {done.inserted:,} rows of it inserted then: nothing was done now "
                "(to load it again, because they were removed, give it a --batch-id that was not used yet)"
            )
        rate = done.rows / done.seconds if done.seconds else 0
        verb = "would be loaded (rolled back)" if self.dry_run else "loaded"
        lines = [f"{done.inserted:,} rows of {name} {verb} in {done.seconds:.2f} s ({rate:,.0f} rows/s)"]
        if self.only_read:
            lines.append(
                f"{self.only_read:,} of them were only read: the partitions that they need would be made first"
            )
        if done.updated:
            lines.append(f"{done.updated:,} rows changed one that was there")
        if done.ignored:
            lines.append(f"{done.ignored:,} rows were left out: their key was there, or a trigger of the table said so")
        if done.quarantined:
            lines.append(f"{done.quarantined:,} bad rows {'would be' if self.dry_run else 'are'} in dbperf.quarantine")
        lines += [f"{count:,} values of {column} were rounded" for column, count in self.rounded.items()]
        if self.created_instrument:
            lines.append(f"instrument {self.created_instrument} {'would be' if self.dry_run else 'was'} created")
        return "\n".join(lines)


def parse_mapping(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``column=field`` strings as pairs.

    Raises:
        UsageError: one has no ``=``.
    """
    if missing := [pair for pair in pairs if "=" not in pair]:
        raise UsageError(f"--map {missing[0]!r} is not COLUMN=FIELD")
    split = [tuple(part.strip() for part in pair.partition("=")[::2]) for pair in pairs]
    for pair, (column, field) in zip(pairs, split, strict=True):
        if not column or (not field and column != IGNORE):  # a field without a name can be left out
            raise UsageError(f"--map {pair!r} is not COLUMN=FIELD")
    return tuple((column, field) for column, field in split)
