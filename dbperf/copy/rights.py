"""What a role needs for a batch, said when the server says that something is missing."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from dbperf.copy.options import Settings
from dbperf.errors import RightsError, sentence

#: Where the server says that a GRANT is missing; what a policy or a trigger refuses has the same SQLSTATE.
_SAYS_SO = ("aclcheck_error", "aclcheck_error_col", "InitTempTableNamespace")


def rights_error(
    error: psycopg.Error, settings: Settings, table: str, conn: psycopg.BaseConnection[object]
) -> psycopg.Error:
    """A missing right with all that a batch into *table* needs, or what COPY cannot do; any other *error* itself."""
    if error.sqlstate == "0A000" and error.diag.source_function == "DoCopy":
        return RightsError(
            f"{table} has row-level security for role {conn.info.user}, which COPY refuses: pass on_error='quarantine' "
            "or on_conflict, or write as the table's owner"
        )
    if error.sqlstate != "42501" or error.diag.source_function not in _SAYS_SO:
        return error
    needs = "; ".join(_needs(settings, table, conn.info.dbname))
    return RightsError(
        f"{sentence(error)}: GRANT to role {conn.info.user} what it lacks of {needs}; and what its triggers use"
    )


def _needs(settings: Settings, table: str, database: str) -> Iterator[str]:
    """As the table in docs/writing.md has them."""
    privileges = ["INSERT"]
    if settings.on_conflict != "error" or settings.touch_instruments:
        privileges.insert(0, "SELECT")
    if settings.on_conflict == "update":
        privileges.append("UPDATE")
    yield f"{', '.join(privileges)} ON {table}"
    if settings.is_staged:
        yield f"TEMPORARY ON DATABASE {database}"
    if not settings.is_plain:
        yield "USAGE ON SCHEMA dbperf"
    if settings.max_errors is not None:
        yield "INSERT ON dbperf.quarantine"
    if settings.batch_id is not None:
        yield "SELECT, INSERT, UPDATE ON dbperf.batch_ledger"
    if settings.on_deleted == "revive":
        yield "EXECUTE ON FUNCTION dbperf.revive_rows"
    if settings.ensure_partitions:
        yield "EXECUTE ON FUNCTION dbperf.ensure_partition and dbperf.partition_for"
        yield "SELECT ON dbperf.partition_policy"
    if settings.touch_instruments:
        yield "SELECT, UPDATE ON instruments"
