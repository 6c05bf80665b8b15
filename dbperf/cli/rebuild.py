"""``dbperf rebuild``."""

from __future__ import annotations

from datetime import timedelta

import click

from dbperf import load, partitions, rebuild
from dbperf.cli.context import Context, accepts, note, pass_context, until_signalled
from dbperf.migrations import session

SHOWN = 20  # rows of a long answer

waits = click.option(
    "--wait", default="5m", show_default=True, metavar="5m", help="How long to wait for a moment without long readers."
)
unverified = click.option("--unverified", is_flag=True, help="Without a verify that found nothing.")


@click.group("rebuild")
def rebuild_group() -> None:
    """Rebuild a live table as another one, and be able to take it back."""


@rebuild_group.command("start")
@click.argument("table")
@click.option("--target", required=True, help="The empty table that TABLE is to become, in the same schema.")
@click.option("--map", "mapping", metavar="COLUMN=FIELD", multiple=True, help="Fill the target's COLUMN from FIELD.")
@accepts
@waits
@pass_context
def start(
    context: Context, table: str, target: str, mapping: tuple[str, ...], accept: tuple[str, ...], wait: str
) -> None:
    """Begin to rebuild TABLE: check everything, and log its changes from now on."""
    limit = _limit(wait)
    with context.session() as conn:
        given = dict(load.parse_mapping(mapping)) if mapping else None
        rebuild.start(conn, table, target, given, accept, wait=limit)
    context.show({"started": table, "target": target}, f"changes of {table} are logged; next: rebuild run {table}")


@rebuild_group.command("run")
@click.argument("table")
@click.option("--batch-size", default=5000, show_default=True, help="Rows of one transaction at most.")
@click.option("--every", metavar="1m", help="Go on for ever, in this rhythm; ends with SIGTERM or Ctrl-C.")
@pass_context
def run(context: Context, table: str, batch_size: int, every: str | None) -> None:
    """Copy what is left of TABLE and apply what was changed meanwhile; interrupted, call it again."""
    if every is not None:
        rhythm = partitions.duration(every)
        context.announce()
        rebuild.run_every(context.dsn, table, rhythm, until_signalled(), note)
        return
    with context.session() as conn:
        rebuild.run(conn, table, batch_size)
        found = rebuild.progress(conn, table)
    context.show(found, "\n".join(row["summary"] for row in found[-1:]))


@rebuild_group.command("status")
@click.argument("table", required=False)
@pass_context
def status(context: Context, table: str | None) -> None:
    """Show how far the rebuild of TABLE is, or all that are not over."""
    with context.connect(announce=False) as conn:
        found = rebuild.progress(conn, table)
    context.show(found, "\n".join(row["summary"] for row in found) or "nothing is being rebuilt")


@rebuild_group.command("verify")
@click.argument("table")
@click.option("--limit", default=SHOWN, show_default=True, help="Differences to show.")
@pass_context
def verify(context: Context, table: str, limit: int) -> int:
    """Compare every row of TABLE and its copy while they are written to; exit code 1 if they differ."""
    with session.open_session(context.dsn, note) as conn:
        found = rebuild.verify(conn, table)
        last = rebuild.progress(conn, table)[-1]
    lines = [f"{row['difference']}: {row['row_key']}" for row in found[:limit]]
    lines.append(f"{last['verified_rows']:,} rows compared, {last['differences']:,} differences")
    context.show({"rows": last["verified_rows"], "differences": found}, "\n".join(lines))
    return 1 if last["differences"] else 0


@rebuild_group.command("cutover")
@click.argument("table")
@waits
@unverified
@pass_context
def cutover(context: Context, table: str, wait: str, unverified: bool) -> None:
    """Let the copy take the place of TABLE, within the lock budget, or give up and change nothing."""
    limit = _limit(wait)
    with context.session() as conn:
        rebuild.cut_over(conn, table, wait=limit, unverified=unverified)
    context.show({"cut over": table}, f"{table} is cut over; until finalize, revert takes it back")


@rebuild_group.command("revert")
@click.argument("table")
@waits
@unverified
@pass_context
def revert(context: Context, table: str, wait: str, unverified: bool) -> None:
    """Take the cutover of TABLE back, with every write since."""
    limit = _limit(wait)
    with context.session() as conn:
        rebuild.revert(conn, table, wait=limit, unverified=unverified)
    context.show({"reverted": table}, f"{table} is as it was before the cutover, with every write since")


def _limit(wait: str) -> timedelta:
    return timedelta() if wait == "0" else partitions.duration(wait)


@rebuild_group.command("finalize")
@click.argument("table")
@pass_context
def finalize(context: Context, table: str) -> None:
    """Drop the way back: the table as it was before the cutover."""
    with context.session() as conn:
        rebuild.finalize(conn, table)
    context.show({"finalized": table}, f"{table} is finalized")


@rebuild_group.command("abort")
@click.argument("table")
@pass_context
def abort(context: Context, table: str) -> None:
    """End the rebuild of TABLE, which is as it was; the copy stays for you to drop."""
    with context.session() as conn:
        rebuild.abort(conn, table)
    context.show({"aborted": table}, f"the rebuild of {table} is aborted")
