"""The command line as a whole: help, exit codes, output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dbperf.cli.commands import cli
from dbperf.migrations import files
from tests.support import dbperf as run_dbperf

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"


def _commands(group: click.Group, path: str = "dbperf") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in sorted(group.commands.items()):
        full = f"{path} {name}"
        found += _commands(command, full) if isinstance(command, click.Group) else [(full, command)]
    return found


def reference() -> str:
    """docs/cli.md as the commands themselves say it."""
    parts = [
        "# Command line",
        "",
        "`dbperf [--dsn DSN] [--json] COMMAND …`; made from the commands' own help, and tested.",
        "",
    ]
    for path, command in _commands(cli):
        context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
        parts += [f"## {path}", "", "```", command.get_help(context), "```", ""]
    return "\n".join(parts)


def test_the_reference_is_current() -> None:
    assert REFERENCE.read_text() == reference(), "write it anew: python -m tests.test_cli"


@pytest.mark.parametrize(("path", "command"), _commands(cli), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_described(path: str, command: click.Command) -> None:
    assert command.help
    assert all(p.help for p in command.params if isinstance(p, click.Option))
    run_dbperf(*path.split()[1:], "--help")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["status", "--nonsense"],
        ["repair"],
        ["migrate", "extra"],
        ["server"],
        ["legacy", "create", "--ticks"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert run_dbperf(*arguments, check=64).stderr


def test_without_any_database(tmp_path: Path) -> None:
    for command in ("status", "migrate", "rollback"):
        done = run_dbperf(command, cwd=tmp_path, check=64)
        assert done.stderr.count("\n") == 1
        assert "dbperf server start" in done.stderr
    assert not list(tmp_path.iterdir())


def test_json(legacy_db: str) -> None:
    assert json.loads(run_dbperf("--json", "migrate", "--to", "0001", dsn=legacy_db).stdout) == {
        "applied": ["0001_create_schema"]
    }
    found = json.loads(run_dbperf("--json", "status", dsn=legacy_db, check=1).stdout)
    assert [m["state"] for m in found["migrations"]] == ["applied"] + ["pending"] * (len(files.migrations()) - 1)
    assert json.loads(run_dbperf("--json", "migrate", "--dry-run", dsn=legacy_db).stdout)["statements"]
    assert json.loads(run_dbperf("--json", "rollback", "--to", "0000", dsn=legacy_db).stdout) == {
        "rolled_back": ["0001_create_schema"]
    }


def test_what_writes_says_where(trading_db: str) -> None:
    for command in (["migrate"], ["repair", "0001"], ["rollback"]):
        assert "as trading_owner" in run_dbperf(*command, dsn=trading_db).stderr


def test_a_reader_that_goes_away(legacy_db: str) -> None:
    command = f"{sys.executable} -m dbperf --dsn '{legacy_db}' migrate --dry-run | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], text=True, capture_output=True, check=True)
    assert done.stdout.startswith("-- 0001")
    assert not done.stderr


if __name__ == "__main__":
    REFERENCE.write_text(reference())


#: A command that waits and, before, is interrupted within a finalizer, where Python ignores every exception.
FINALIZED = """
import signal, time
from dbperf.cli import commands, main

signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs in the background ignores it

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

@commands.cli.command()
def wait():
    Last()
    time.sleep(600)

main(["wait"])
"""


def test_an_interrupt_within_a_finalizer_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", FINALIZED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (130, "dbperf: interrupted")
