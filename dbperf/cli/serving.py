"""``dbperf server``: the embedded server."""

from __future__ import annotations

import os

import click
from psycopg.conninfo import conninfo_to_dict

from dbperf.cli.context import Context, pass_context
from dbperf.server import Server, default_home
from dbperf.server.binaries import clean_environment


@click.group()
def server() -> None:
    """Run the embedded PostgreSQL server, in .dbperf/ or DBPERF_HOME."""


def _server() -> Server:
    return Server(default_home())


@server.command()
@pass_context
def start(context: Context) -> None:
    """Start it; the first time, make its directory."""
    url = _server().start()
    context.show({"running": True, "url": url}, url)


@server.command()
@pass_context
def stop(context: Context) -> None:
    """Stop it, ending its sessions."""
    stopped = _server().stop()
    context.show({"stopped": stopped}, "stopped" if stopped else "it was not running")


@server.command("status")
@pass_context
def server_status(context: Context) -> int:
    """Say whether it runs; exit code 1 if it does not."""
    pid = _server().pid()
    context.show({"running": pid is not None, "pid": pid}, f"running, pid {pid}" if pid else "not running")
    return 0 if pid else 1


@server.command()
def url() -> None:
    """Print its connection URL and nothing else."""
    click.echo(_server().url())


@server.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on its database; ARGUMENTS go to psql, after -- if they look like options."""
    embedded = _server()
    given = conninfo_to_dict(embedded.start())
    program = embedded.program("psql")
    # by environment and not by URL, so that -d and -U among the arguments still count
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    environment = clean_environment() | {variable: str(given[name]) for variable, name in names.items()}
    os.execve(program, [str(program), *arguments], environment)
