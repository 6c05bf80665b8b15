"""``dbperf soft-delete``, ``integrity`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dbperf import integrity
from dbperf.cli.context import Context, note, pass_context
from dbperf.database import describe
from dbperf.migrations import session
from dbperf.migrations.run import own_errors

SHOWN = 20  # rows of a long answer


@click.group("soft-delete")
def soft_delete() -> None:
    """DELETE marks rows instead of removing them."""


@soft_delete.command("enable")
@click.argument("table")
@click.option("--hot/--not-hot", default=None, help="No trigger on INSERT; default: only of a partitioned table.")
@click.option(
    "--on-deleted-key",
    type=click.Choice(["refuse", "revive"]),
    default="refuse",
    show_default=True,
    help="What an INSERT does that meets a unique key of a deleted row; not of a hot table.",
)
@click.option("--accept-triggers", is_flag=True, help="INSERT triggers may fire for deleted rows.")
@pass_context
def enable(context: Context, table: str, hot: bool | None, on_deleted_key: str, accept_triggers: bool) -> None:
    """From now on a DELETE on TABLE marks; the view TABLE_active shows what is alive."""
    with context.session() as conn:
        integrity.enable(conn, table, hot=hot, on_deleted_key=on_deleted_key, accept_triggers=accept_triggers)
    context.show({"enabled": table}, f"soft delete is enabled on {table}")


@soft_delete.command("disable")
@click.argument("table")
@pass_context
def disable(context: Context, table: str) -> None:
    """From now on a DELETE on TABLE removes; deleted rows move to a table beside it."""
    with context.session() as conn:
        side = integrity.disable(conn, table)
    kept = f"; its deleted rows are in {side}" if side else ""
    context.show({"disabled": table, "deleted_rows_in": side}, f"soft delete is disabled on {table}{kept}")


@soft_delete.command("list")
@click.option("--limit", default=SHOWN, show_default=True, help="Newest statements to show.")
@pass_context
def list_deletions(context: Context, limit: int) -> None:
    """Show the tables with soft delete, and who deleted what, when and why."""
    with context.connect(announce=False) as conn:
        found = integrity.deletions(conn, limit)
    lines = [
        f"{table['deleted_rows']:>10,} deleted rows in {table['table']}{' (hot)' if table['hot'] else ''}"
        for table in found["tables"]
    ]
    context.show(found, "\n".join([*lines, *map(_in_words, found["deletions"])]))


def _in_words(deletion: dict[str, Any]) -> str:
    """One line for a row of dbperf.deletion."""
    words = [f"batch {deletion['batch']}.{deletion['ordinal']}", f"{deletion['deleted_at']:%Y-%m-%d %H:%M:%S%z}"]
    words += [deletion["table"], f"by {deletion['acting_as'] or deletion['deleted_by']}"]
    words += [f"from {deletion['application']}"] if deletion["application"] else []
    words += [f"({deletion['reason']})"] if deletion["reason"] else []
    words += ["undeleted"] if deletion["undeleted_at"] else []
    return "  ".join(words)


@soft_delete.command("undelete")
@click.argument("batch", type=int)
@pass_context
def undelete(context: Context, batch: int) -> None:
    """Bring back exactly what BATCH removed, in every table."""
    with context.connect(announce=True) as conn:
        rows = integrity.undelete(conn, batch)
    context.show(rows, "\n".join(f"{count:>10,} rows of {table} are back" for table, count in rows.items()))


@soft_delete.command("purge")
@click.argument("table")
@click.option("--older-than", metavar="INTERVAL", required=True, help="How long ago rows were deleted: '90 days'.")
@click.option("--batch-size", default=10_000, show_default=True, help="Rows of one transaction.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@pass_context
def purge(context: Context, table: str, older_than: str, batch_size: int, dry_run: bool) -> None:
    """Erase deleted rows of TABLE for good: the only hard delete."""
    with context.connect(announce=not dry_run) as conn:
        rows = integrity.purge(conn, table, older_than=older_than, batch_size=batch_size, dry_run=True)
        if not dry_run:
            note(f"{rows:,} rows of {table} were deleted longer ago than {older_than}: they are erased now")
            rows = integrity.purge(conn, table, older_than=older_than, batch_size=batch_size, dry_run=False)
    words = "would be erased from" if dry_run else "erased from"
    context.show({"purged": rows, "dry_run": dry_run}, f"{rows:,} rows {words} {table}")


@click.group("integrity")
def integrity_group() -> None:
    """Foreign keys, exact types and content hashes."""


@integrity_group.command("cascades")
@click.option("--schema", default="public", show_default=True, help="Schema of the referencing tables.")
@click.option("--restore", is_flag=True, help="Put the keys back as they were.")
@click.option("--dry-run", is_flag=True, help="Print the statements; change nothing.")
@pass_context
def cascades(context: Context, schema: str, restore: bool, dry_run: bool) -> None:
    """Replace CASCADE, SET NULL and SET DEFAULT in foreign keys by RESTRICT."""
    with session.open_session(context.dsn, note) as conn:
        if not dry_run:
            note(describe(conn))
        with own_errors():
            statements = integrity.cascades(conn, schema, restore=restore, dry_run=dry_run)
    context.show({"statements": statements}, "\n".join(f"{line};" for line in statements) or "-- nothing to do")


@integrity_group.command("exact")
@click.argument("table")
@click.option("--column", "columns", metavar="COLUMN", multiple=True, help="Default: numeric ones but settled money.")
@click.option("--to", "target", default="double precision", show_default=True, help="double precision or real.")
@click.option("--limit", default=SHOWN, show_default=True, help="Values to show.")
@pass_context
def exact(context: Context, table: str, columns: tuple[str, ...], target: str, limit: int) -> int:
    """Read every row of TABLE and show values that would not survive another type; exit code 1 if there are any."""
    with context.connect(announce=False) as conn, own_errors():
        count, rows = integrity.inexact(conn, table, columns, target, limit)
    lines = [f"{r['column_name']} of {r['row_key']}: {r['value']} ({r['reason']})" for r in rows]
    lines.append(f"{count:,} values of {table} would not survive {target}")
    context.show({"count": count, "values": rows}, "\n".join(lines))
    return 1 if count else 0


@integrity_group.command("settle")
@click.argument("table")
@click.argument("columns", nargs=-1, required=True)
@pass_context
def settle(context: Context, table: str, columns: tuple[str, ...]) -> None:
    """Mark numeric COLUMNS of TABLE as settled money: they refuse any other type."""
    with context.connect(announce=True) as conn:
        integrity.settle(conn, table, columns)
    context.show({"settled": list(columns)}, f"{', '.join(columns)} of {table} stay numeric")


@integrity_group.command("hash")
@click.argument("tables", nargs=-1)
@pass_context
def content_hash(context: Context, tables: tuple[str, ...]) -> None:
    """Show rows and content hash of TABLES, or of all that dbperf looks after: the same on every server version."""
    with context.connect(announce=False) as conn:
        names = [integrity.qualified(conn, table) for table in tables] or integrity.looked_after(conn)
        found = integrity.content(conn, names)
    context.show(found, "\n".join(f"{entry['hash']}  {entry['rows']:>12,}  {name}" for name, entry in found.items()))


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--no-hash", is_flag=True, help="Do not hash the content.")
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with an earlier dbperf --json verify, of this server or another.",
)
@pass_context
def verify(context: Context, tables: tuple[str, ...], no_hash: bool, against: Path | None) -> int:
    """Find orphans, constraints that are not valid, guards that are gone, content that changed.

    Reads TABLES, or all that dbperf looks after. Exit code 0 sound, 1 with problems or differences.
    """
    if no_hash and against:
        raise click.UsageError("--against needs the hashes that --no-hash leaves out.")
    with context.connect(announce=False) as conn:
        report = integrity.verify(conn, tables, hashes=not no_hash, against=against)
    lines = [f"{f.severity:<10} {f.message}" for f in report.findings]
    lines += [f"{'difference':<10} {sentence}" for sentence in report.differences]
    if not no_hash:
        lines += [f"{e['hash']}  {e['rows']:>12,}  {name}" for name, e in report.tables.items()]
    context.show(report.as_dict(), "\n".join(lines) or "sound")
    return 0 if report.sound else 1
