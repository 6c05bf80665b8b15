"""The command line: ``dbperf [--dsn DSN] [--json] COMMAND …``.

Exit codes: 0 done, 1 failed, 64 wrong usage; commands may define more.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click
import psycopg

from dbperf.cli import commands
from dbperf.errors import DbperfError, UsageError, sentence

FAILED, USAGE, INTERRUPTED = 1, 64, 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    logging.basicConfig(level=logging.WARNING, format="dbperf: %(message)s")
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _put_off
    try:
        code = run(arguments)
    except KeyboardInterrupt:  # once more, while the first one was said
        code = INTERRUPTED
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)  # it is over, and Python would show in which line of its own end
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    logging.disable(logging.WARNING)  # of what is taken back
    raise KeyboardInterrupt


def _put_off(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt a little later when Python was where nothing can be raised (a finalizer, the callback of a weakref)."""
    if unraisable.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        sys.__unraisablehook__(unraisable)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one sentence on stderr."""
    try:
        code = commands.cli.main(args=arguments, prog_name="dbperf", standalone_mode=False)
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "dbperf"
        return _fail(f"{error.format_message()} (see {command} --help)", USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except UsageError as error:
        return _fail(sentence(error), USAGE)
    except (DbperfError, psycopg.Error, click.ClickException, OSError) as error:
        return _fail(sentence(error), FAILED)
    except Exception as error:  # a bug: still one sentence, the rest on request
        if os.environ.get("DBPERF_DEBUG"):
            traceback.print_exc()
        return _fail(f"internal error: {type(error).__name__}: {sentence(error)} (DBPERF_DEBUG=1 shows where)", FAILED)


def _fail(text: str, code: int) -> int:
    click.echo(f"dbperf: {text}", err=True)
    return code
