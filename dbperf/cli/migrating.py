"""``dbperf migrate``, ``rollback``, ``status`` and ``repair``."""

from __future__ import annotations

from dataclasses import asdict

import click

from dbperf import migrations
from dbperf.cli.context import Context, accepts, note, pass_context


@click.command()
@click.option("--to", metavar="NNNN", help="Stop after this migration.")
@click.option("--dry-run", is_flag=True, help="Print every statement with the lock it takes; change nothing.")
@click.option("--schema", metavar="S", help="Schema of the trading tables; public, or where they were adopted.")
@accepts
@pass_context
def migrate(context: Context, to: str | None, dry_run: bool, schema: str | None, accept: tuple[str, ...]) -> None:
    """Adopt or create the trading tables and bring them to this version."""
    if not dry_run:
        context.announce()
    done = migrations.migrate(context.dsn, to=to, dry_run=dry_run, schema=schema, accept=accept, notify=note)
    if dry_run:
        context.show({"statements": done}, "\n".join(done) or "-- nothing to do")
    else:
        context.show({"applied": done}, "\n".join(f"applied {name}" for name in done) or "nothing to apply")


@click.command()
@click.option("--to", metavar="NNNN", help="Leave this migration applied; 0000 removes dbperf altogether.")
@accepts
@pass_context
def rollback(context: Context, to: str | None, accept: tuple[str, ...]) -> None:
    """Undo the last migration, or all after --to; no rollback drops a row."""
    context.announce()
    done = migrations.rollback(context.dsn, to=to, accept=accept, notify=note)
    context.show({"rolled_back": done}, "\n".join(f"rolled back {name}" for name in done) or "nothing to roll back")


@click.command()
@pass_context
def status(context: Context) -> int:
    """Show what is applied: exit code 0 current, 1 pending, 3 drift or a newer database."""
    with context.connect(announce=False) as conn:
        found = migrations.status(conn)
    lines = [f"{m.state:<11} {m.id}{f'  ({m.detail})' if m.detail else ''}" for m in found.migrations]
    lines += [f"{'newer':<11} {name}  (a newer dbperf applied it)" for name in found.newer]
    lines += [f"{'pending':<11} library: {name}" for name in found.library_pending]
    lines += [
        f"{'drift':<11} library: {name}  (changed in the database; migrate puts it back)"
        for name in found.library_changed
    ]
    context.show({**asdict(found), "code": found.code}, "\n".join(lines))
    return found.code


@click.command()
@click.argument("number", metavar="NNNN")
@pass_context
def repair(context: Context, number: str) -> None:
    """Accept the drift of migration NNNN: record it as this version of dbperf has it."""
    context.announce()
    done = migrations.repair(context.dsn, number)
    context.show({"repaired": done}, done)
