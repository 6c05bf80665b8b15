"""Which lock a statement takes, for ``migrate --dry-run``.

From the manual's "Explicit Locking" and the source of each command; a test samples ``pg_locks``
while the shipped migrations really run and compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_NAME = r'(?P<name>(?:[\w.]|"[^"]*")+)'
_REFERENCED = r'REFERENCES\s+(?P<referenced>(?:[\w.]|"[^"]*")+)'

# First match wins. The second part is the lock on `name`; "" where no relation is locked.
_RULES: tuple[tuple[str, str], ...] = (
    (r"CREATE SCHEMA|DROP SCHEMA|COMMENT ON SCHEMA|COMMENT ON SEQUENCE", ""),
    (r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)|COMMENT ON (?:FUNCTION|PROCEDURE|ROUTINE)", ""),
    (r"REVOKE EXECUTE|GRANT SELECT", ""),
    (rf"CREATE (?:OR REPLACE )?VIEW {_NAME}", "ACCESS EXCLUSIVE"),
    (rf"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?{_NAME}", "ACCESS EXCLUSIVE"),
    (rf"CREATE (?:UNIQUE )?INDEX CONCURRENTLY .*? ON {_NAME}", "SHARE UPDATE EXCLUSIVE"),
    (rf"CREATE (?:UNIQUE )?INDEX .*? ON {_NAME}", "SHARE"),
    (rf"DROP INDEX CONCURRENTLY {_NAME}", "SHARE UPDATE EXCLUSIVE"),
    (rf"DROP INDEX {_NAME}", "ACCESS EXCLUSIVE"),
    (rf"ALTER TABLE {_NAME} ADD CONSTRAINT .* FOREIGN KEY .*", "SHARE ROW EXCLUSIVE"),
    (rf"ALTER TABLE {_NAME} (?:VALIDATE CONSTRAINT|CLUSTER ON|SET \()", "SHARE UPDATE EXCLUSIVE"),
    (rf"(?:ALTER|DROP) TABLE {_NAME}", "ACCESS EXCLUSIVE"),
    (rf"COMMENT ON CONSTRAINT .*? ON {_NAME}", "ACCESS SHARE"),
    (rf"COMMENT ON COLUMN {_NAME}\.\w+ IS", "SHARE UPDATE EXCLUSIVE"),
    (rf"COMMENT ON (?:TABLE|VIEW|INDEX) {_NAME}", "SHARE UPDATE EXCLUSIVE"),
    (rf"(?:INSERT INTO|UPDATE|DELETE FROM) {_NAME}", "ROW EXCLUSIVE"),
    (rf"VACUUM \(ANALYZE\) {_NAME}", "SHARE UPDATE EXCLUSIVE"),
)

_CALL = re.compile(r"(?:CALL |SELECT (?:statement FROM |\* FROM )?)dbperf\.(?P<routine>\w+)\(", re.DOTALL)


@dataclass(frozen=True)
class Lock:
    """A lock *mode* on *relation*; a *declared* one is words from the routine's own COMMENT."""

    mode: str
    relation: str
    declared: str = ""

    def __str__(self) -> str:
        return self.declared or f"{self.mode} on {self.relation}"


def locks_of(
    statement: str, comment_of: Callable[[str], str | None], table_of: Callable[[str], str | None]
) -> list[Lock] | None:
    """The table-level locks of *statement*, strongest of each relation; None if it is not known.

    Args:
        statement: one SQL statement.
        comment_of: the COMMENT of a routine of schema dbperf; its sentence "Locks: …" counts.
        table_of: the table of an index; DROP INDEX locks that too.
    """
    text = " ".join(re.sub(r"^\s*--.*$", "", statement, flags=re.MULTILINE).split())
    call = _CALL.match(text)
    if call:
        declared = re.search(r"Locks: (.*)$", comment_of(call["routine"]) or "", re.DOTALL)
        return [Lock("", "", declared[1].rstrip("."))] if declared else None
    for pattern, mode in _RULES:
        match = re.match(pattern, text)
        if match:
            return _locks(mode, match, text, table_of)
    return None


def _locks(mode: str, match: re.Match[str], text: str, table_of: Callable[[str], str | None]) -> list[Lock]:
    if not mode:
        return []
    locks = [Lock(mode, match["name"])]
    if text.startswith("DROP INDEX"):
        table = table_of(match["name"])
        locks = [Lock(mode, table), *locks] if table else locks
    if referenced := re.search(_REFERENCED, text):
        locks.append(Lock("SHARE ROW EXCLUSIVE", referenced["referenced"]))
    return locks
