"""The root command and the commands that stand by themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast, get_args

import click
import psycopg

from dbperf import legacy, load
from dbperf.cli.backfill import backfill_group
from dbperf.cli.context import Context, note, pass_context
from dbperf.cli.integrity import integrity_group, soft_delete, verify
from dbperf.cli.migrating import migrate, repair, rollback, status
from dbperf.cli.partitions import partitions_group
from dbperf.cli.rebuild import rebuild_group
from dbperf.cli.serving import server
from dbperf.copy.options import MAX_ERRORS, OnConflict, OnError
from dbperf.copy.options import Options as CopyOptions
from dbperf.errors import DbperfError, FileError, UsageError, sentence
from dbperf.load.advice import of_batch


@click.group()
@click.option("--dsn", metavar="DSN", help="Database; else DBPERF_DSN, DATABASE_URL, PG*, or the embedded server.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.version_option(package_name="dbperf")
@click.pass_context
def cli(click_context: click.Context, dsn: str | None, as_json: bool) -> None:
    """Make a PostgreSQL trading database fast, and hard to lose data from."""
    click_context.obj = Context(dsn, as_json)


for command in (
    server, migrate, rollback, status, repair, soft_delete, integrity_group, verify, partitions_group, backfill_group,
    rebuild_group,
):  # fmt: skip
    cli.add_command(command)


@cli.group("legacy")
def legacy_group() -> None:
    """The legacy trading database that dbperf takes over."""


@legacy_group.command("create")
@click.option("--ticks", default=100_000, show_default=True, help="Rows of market_data.")
@click.option("--instruments", default=20, show_default=True, help="Rows of instruments.")
@click.option("--seed", default=1, show_default=True, help="Another seed gives other rows.")
@click.option("--schema", default="public", show_default=True, help="Schema for the tables.")
@pass_context
def legacy_create(context: Context, ticks: int, instruments: int, seed: int, schema: str) -> None:
    """Build the legacy database, filled and with its faults, in an empty database."""
    with context.connect(announce=True) as conn:
        rows = legacy.create(conn, ticks=ticks, instruments=instruments, seed=seed, schema=schema)
    context.show(rows, "\n".join(f"{count:>10,} rows in {schema}.{table}" for table, count in rows.items()))


@cli.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--table", required=True, help="Table to load into, as in SQL: market_data, trading.market_data.")
@click.option("--instrument", metavar="SYMBOL", help="Fill instrument_id with the id of this symbol.")
@click.option("--create-instrument", is_flag=True, help="Insert the instrument if its symbol is not known.")
@click.option("--map", "mapping", metavar="COLUMN=FIELD", multiple=True, help="Fill COLUMN from the file's FIELD.")
@click.option("--round", "rounded", metavar="COLUMN", multiple=True, help="Round COLUMN half-even to what it holds.")
@click.option(
    "--time",
    "times",
    metavar="COLUMN=FORM",
    multiple=True,
    help="How times are written: s, ms, us, ns since 1970, or as %d.%m.%Y %H:%M:%S.%f.  [ISO 8601]",
)
@click.option("--format", "file_format", type=click.Choice(load.FORMATS), help="Of FILE, if it is taken for another.")
@click.option("--delimiter", default=",", metavar="CHAR", help="Of CSV, such as ';' or '\\t'.  [,]")
@click.option("--fields", metavar="NAME,…", help="Of CSV without a header line, which to leave out being named -.")
@click.option("--null", "nulls", metavar="WORD", multiple=True, help="NULL in CSV, as nothing is, such as NaN.")
@click.option("--on-conflict", type=click.Choice(get_args(OnConflict)), help="If the table has a row's key.  [error]")
@click.option("--key", metavar="COLUMN", multiple=True, help="Of the unique index; else the primary key's.")
@click.option("--newer", metavar="COLUMN", help="Update only where its value is greater than the one there.")
@click.option("--on-error", type=click.Choice(get_args(OnError)), help="Stop, or put bad rows aside.  [stop]")
@click.option("--max-errors", type=int, help=f"How many bad rows to put aside at most.  [{MAX_ERRORS}]")
@click.option(
    "--batch-id", metavar="ID", help="Name in dbperf.batch_ledger, else made of the file: a new one loads it again."
)
@click.option("--parallel", metavar="N", type=click.IntRange(1), help="Write over N connections at once.  [1]")
@click.option("--dry-run", is_flag=True, help="Read, check and count, then roll back; makes no partition.")
@pass_context
def load_command(
    context: Context,
    /,
    file: str,
    table: str,
    instrument: str | None,
    create_instrument: bool,
    mapping: tuple[str, ...],
    rounded: tuple[str, ...],
    times: tuple[str, ...],
    file_format: str | None,
    delimiter: str,
    fields: str | None,
    nulls: tuple[str, ...],
    dry_run: bool,
    **writing: Any,
) -> None:
    """Load FILE, or standard input if it is -: all of its rows, or none. The same file again changes nothing, once the
    database is migrated.

    CSV with a header line, NDJSON (a JSON object a line) or Parquet; plain, or compressed with gzip or zstd.
    """
    writing["key"] = list(writing["key"]) or None
    options = load.Options(
        table,
        instrument,
        create_instrument,
        mapping=load.parse_mapping(mapping),
        rounded=rounded,
        times=load.parse_forms(times),
        dry_run=dry_run,
        format=file_format,
        dialect=load.parse_dialect(delimiter, fields, nulls),
        writing=cast(CopyOptions, {name: value for name, value in writing.items() if value is not None}),
    )
    with (
        _advised(),
        context.connect(announce=True) as conn,
        load.Source(file) as source,
        click.progressbar(length=source.size, label=source.label, file=sys.stderr) as bar,
    ):
        result = load.load(conn, source, options, bar.update)
    context.show(result.as_dict(), result.in_words(source.label))
    if not (result.recorded or result.dry_run):
        note("the same file again would be stored again: after dbperf migrate, what is loaded is loaded once")


@contextmanager
def _advised() -> Iterator[None]:
    """Errors of the writers name options of this command and not of Python."""
    try:
        yield
    except FileError:  # of the file, whose values may look like anything
        raise
    except UsageError as error:
        raise UsageError(of_batch(sentence(error))) from None
    except (DbperfError, psycopg.Error) as error:
        raise DbperfError(of_batch(sentence(error))) from None
