"""``dbperf partitions``."""

from __future__ import annotations

from typing import Any

import click

from dbperf import partition_indexes, partitions
from dbperf.cli.context import Context, note, parse_time, pass_context, until_signalled


@click.group("partitions")
def partitions_group() -> None:
    """Partitions that are always there."""


@partitions_group.command("list")
@click.argument("table", required=False)
@pass_context
def list_partitions(context: Context, table: str | None) -> None:
    """Show the partitions of TABLE, or of all tables with a policy, and how far ahead they reach."""
    with context.connect(announce=False) as conn:
        found = partitions.listing(conn, table)
    lines = [*map(_partition_in_words, found["partitions"]), *map(_runway_in_words, found["runway"])]
    context.show(found, "\n".join(lines) or "no table has a partition policy")


def _partition_in_words(row: dict[str, Any]) -> str:
    rows = "?" if row["rows"] is None else f"{row['rows']:,}" if row["rows_are_exact"] else f"~{row['rows']:,}"
    bounds = "DEFAULT" if row["state"] == "default" else f"{row['lower_bound']} - {row['upper_bound']}"
    size = "?" if row["bytes"] is None else f"{row['bytes'] / 1e6:,.1f}"
    return f"{row['partition']}  {bounds}  {row['state']}  {rows} rows  {size} MB"


def _runway_in_words(row: dict[str, Any]) -> str:
    until = row["inserts_succeed_until"]
    without = "inserts go to the DEFAULT partition" if row["has_default"] else "inserts fail now"
    words = f"{row['relation']}: " + (f"inserts succeed until {until} UTC" if until else without)
    return words + (f"; {row['missing']} partitions are missing" if row["missing"] else "")


@partitions_group.command("maintain")
@click.argument("table", required=False)
@click.option("--every", metavar="1h", help="Go on for ever, in this rhythm; ends with SIGTERM or Ctrl-C.")
@pass_context
def maintain(context: Context, table: str | None, every: str | None) -> int:
    """Make the partitions that the policies ask for, whether or not data arrives. Exit code 1 if a table failed."""
    if every is None:
        with context.connect(announce=True) as conn:
            done = partitions.maintain(conn, table)
        context.show([vars(entry) for entry in done], "\n".join(map(str, done)) or "no table has a partition policy")
        return 1 if any(entry.sqlstate for entry in done) else 0
    rhythm = partitions.duration(every)
    context.announce()
    partitions.maintain_every(context.dsn, rhythm, until_signalled(), note, table)
    return 0


@partitions_group.command("ensure")
@click.argument("table")
@click.argument("at", metavar="TS")
@pass_context
def ensure(context: Context, table: str, at: str) -> None:
    """Make the partition of TABLE for a row of the time TS (ISO 8601; UTC if it names no zone)."""
    moment = parse_time(at)
    with context.connect(announce=True) as conn:
        name = partitions.ensure(conn, table, moment)
    context.show({"partition": name}, name)


@partitions_group.command("index")
@click.argument("table")
@click.argument("name")
@click.argument("definition", metavar="'btree (COLUMN, …)'")
@pass_context
def index(context: Context, table: str, name: str, definition: str) -> None:
    """Build index NAME on TABLE and all its partitions; writers go on. Interrupted, call it again."""
    with context.session() as conn:
        done = partition_indexes.ensure_index(conn, table, name, definition, note)
    context.show({"statements": done}, f"{table} has the index on every partition")


@partitions_group.command("drain")
@click.argument("table")
@pass_context
def drain(context: Context, table: str) -> None:
    """Give the rows of TABLE's DEFAULT partition partitions of their own."""
    with context.connect(announce=True) as conn:
        moved = partitions.drain_default(conn, table)
    context.show({"moved": moved}, f"{table} has no DEFAULT partition any more; {moved:,} rows moved")
