"""The migrations and the library as they lie in ``sql/``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from glob import escape
from pathlib import Path

import sqlparse
from sqlparse import tokens
from yoyo import read_migrations
from yoyo.migrations import Migration as YoyoMigration
from yoyo.migrations import read_sql_migration, topological_sort

from dbperf.errors import MigrationError, UsageError
from dbperf.sqlfiles import sql_dir


@dataclass(frozen=True)
class Migration:
    """One versioned migration with its way back.

    Attributes:
        yoyo: yoyo's own object, for its records.
        transactional: whether its statements run in one transaction. If not, each is a SELECT that
            returns the statements still to run, none when all is done: interrupted anywhere, it resumes.
        bootstrap: it touches no table that exists already: applied in one transaction with the
            other bootstrap migrations and the library, so that a refusal leaves nothing behind.
        rebuild: it replaces a table by a copy of it; its way back, which is one swap or another copy, is gone
            before what stands below it is rehearsed.
    """

    yoyo: YoyoMigration
    transactional: bool
    bootstrap: bool
    rebuild: bool
    statements: tuple[str, ...]
    rollback: tuple[str, ...]
    checksum: str

    @property
    def id(self) -> str:
        """File name without extension."""
        return str(self.yoyo.id)

    @property
    def number(self) -> str:
        """Its first four digits."""
        return self.id[:4]


@dataclass(frozen=True)
class LibraryFile:
    """One routine or view of ``sql/lib``; its name is the file's.

    Attributes:
        late: a view, or a routine with a parsed body: it pins the tables it reads, so it is
            installed after the migrations and dropped before a rollback.
    """

    name: str
    statements: tuple[str, ...]
    late: bool
    checksum: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations in the order in which they are applied."""
    found = topological_sort(read_migrations(escape(str(sql_dir() / "migrations"))))
    ordered = tuple(_read(migration) for migration in found)
    if [m.id for m in ordered] != sorted(m.id for m in ordered):
        raise MigrationError("the migrations' numbers contradict their dependencies: renumber them")
    return ordered


def _read(migration: YoyoMigration) -> Migration:
    path = Path(migration.path)
    directives, comment, statements = read_sql_migration(str(path))
    _, _, rollback = read_sql_migration(str(path.with_suffix(".rollback.sql")))
    transactional = directives.get("transactional", "true").lower() == "true"
    bootstrap = re.search(r"^bootstrap: *true$", comment, re.MULTILINE) is not None
    rebuild = re.search(r"^rebuild: *true$", comment, re.MULTILINE) is not None
    flags = f"transactional={transactional} bootstrap={bootstrap}"
    return Migration(
        yoyo=migration,
        transactional=transactional,
        bootstrap=bootstrap,
        rebuild=rebuild,
        statements=tuple(statements),
        rollback=tuple(rollback),
        checksum=checksum([flags, *statements, "rollback", *rollback]),
    )


def checksum(statements: Iterable[str]) -> str:
    """SHA-256 of *statements* without their comments and white space.

    A licence header or a new indentation is no drift; a changed literal is.
    """
    digest = hashlib.sha256()
    for statement in statements:
        for kind, value in sqlparse.lexer.tokenize(statement):  # type: ignore[no-untyped-call]
            if kind not in tokens.Comment and kind not in tokens.Whitespace:
                digest.update(value.encode() + b"\x00")
    return digest.hexdigest()


def target(number: str, *, zero: bool = False) -> str:
    """The four digits that *number* (``NNNN`` or a whole id) means; ``0000`` only if *zero*.

    Raises:
        UsageError: there is no such migration.
    """
    known = {name for m in migrations() for name in (m.number, m.id)} | ({"0000"} if zero else set())
    if number in known:
        return number[:4]
    raise UsageError(f"there is no migration {number}: the last one is {migrations()[-1].number}")


@cache
def library() -> tuple[LibraryFile, ...]:
    """Every routine and view of ``sql/lib``, by name."""
    files = sorted((sql_dir() / "lib").rglob("*.sql"), key=lambda path: path.stem)
    return tuple(_read_library_file(path) for path in files)


def _read_library_file(path: Path) -> LibraryFile:
    text = path.read_text(encoding="utf-8")
    # each begins after an empty line: a parser would take a second for all of them, at every start
    statements = tuple(s.rstrip(";\n") for s in re.split(r"(?<=;)\n\n(?=COMMENT ON |REVOKE )", text))
    late = bool(re.search(r"^CREATE OR REPLACE VIEW|^BEGIN ATOMIC", text, re.MULTILINE))
    return LibraryFile(path.stem, statements, late, hashlib.sha256(text.encode()).hexdigest())
