"""What every command shares: which database, which output."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import Any

import click
import psycopg

from dbperf import database
from dbperf.errors import UsageError
from dbperf.migrations.session import open_session


@dataclass
class Context:
    """The global options."""

    dsn: str | None
    as_json: bool

    @contextmanager
    def connect(self, *, announce: bool) -> Iterator[psycopg.Connection]:
        """An autocommit connection; *announce* says on stderr where it leads, for commands that write."""
        with database.connect(self.dsn, autocommit=True) as conn:
            if announce:
                note(database.describe(conn))
            yield conn

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """A session for steps that last, after saying on stderr where it leads."""
        with open_session(self.dsn, note) as conn:
            note(database.describe(conn))
            yield conn

    def announce(self) -> None:
        """Say on stderr which database a command is about to write."""
        with self.connect(announce=True):
            pass

    def show(self, data: Any, text: str) -> None:
        """Print *data* as JSON if that was asked for, else *text*."""
        if self.as_json:
            click.echo(json.dumps(data, default=str, indent=2))
        elif text:
            click.echo(text)


accepts = click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["publication", "unique", "check", "foreign key", "generated"]),
    help="Rebuild a table although this cannot be carried over.",
)
pass_context = click.make_pass_decorator(Context)


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    click.echo(f"dbperf: {text}", err=True)


def parse_time(text: str) -> datetime:
    """A time of the command line, ISO 8601.

    Raises:
        UsageError: it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time: write it as 2026-11-23T14:25:00") from None


def until_signalled() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set, for commands that go on until then."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop
