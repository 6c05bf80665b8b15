"""The SQL style, enforced: on the catalogue of a migrated database and on the files."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
import sqlparse
from sqlparse import tokens

from dbperf.migrations import files
from dbperf.sqlfiles import sql_dir

#: Routines without SET search_path, each with its reason.
WITHOUT_SEARCH_PATH: dict[str, str] = dict.fromkeys(
    (
        "apply_template",
        "backfill_finish",
        "drain_default",
        "maintain",
        "maintain_table",
        "purge",
        "rebuild_run",
        "rebuild_settle",
        "restrict_cascades",
        "restore_cascades",
        "run_key_plans",
        "run_online",
    ),
    "a procedure that commits cannot have it",
) | dict.fromkeys(
    ("defer_checks", "delete_active", "settle_apart", "settle_range", "settle_staging", "touch_instruments"),
    "triggers of the table run inside it, and expect the caller's",
)

#: Routines with WHEN OTHERS, each with its reason.
CATCH_ALL = {
    "drain_default": "raised again when rows are let into the DEFAULT partition again",
    "create_partition": "a template that does not fit is a warning, and is tried again and logged; a row without a partition is lost",
    "maintain_table": "a table that fails is logged with its SQLSTATE, and the others go on",
}

#: Routines that are STABLE and run statements put together at run time: they only read, and all in one snapshot.
READERS = {"latest", "latest_of_each", "by_id", "rebuild_log_length"}

SQL_FILES = sorted(sql_dir().rglob("*.sql"))


@pytest.fixture
def migrated(trading_db: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(trading_db, autocommit=True) as conn:
        yield conn


def _names(conn: psycopg.Connection, query: str) -> list[str]:
    return [str(row[0]) for row in conn.execute(query.encode())]


def test_everything_has_a_comment(migrated: psycopg.Connection) -> None:
    assert not _names(
        migrated,
        """
        SELECT c.oid::regclass::text FROM pg_class AS c
        WHERE c.relnamespace = 'dbperf'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
          AND obj_description(c.oid, 'pg_class') IS NULL
        UNION ALL
        SELECT c.oid::regclass || '.' || a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'dbperf'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0
          AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc AS p
        WHERE p.pronamespace = 'dbperf'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT 'schema dbperf' WHERE obj_description('dbperf'::regnamespace, 'pg_namespace') IS NULL
        """,
    )


def test_every_routine_says_its_locks(migrated: psycopg.Connection) -> None:
    assert not _names(
        migrated,
        "SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'dbperf'::regnamespace"
        r" AND obj_description(p.oid, 'pg_proc') !~ 'Locks: .+\.$'",
    )


def test_search_path_is_fixed(migrated: psycopg.Connection) -> None:
    loose = _names(
        migrated,
        "SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'dbperf'::regnamespace"
        " AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)",
    )
    assert set(loose) == set(WITHOUT_SEARCH_PATH)
    assert not _names(
        migrated,
        "SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'dbperf'::regnamespace AND p.prosecdef"
        " AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)",
    )


def test_definers_are_not_for_everybody(migrated: psycopg.Connection) -> None:
    assert not _names(
        migrated,
        "SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'dbperf'::regnamespace AND p.prosecdef"
        " AND has_function_privilege('public', p.oid, 'EXECUTE')",
    )


def test_nothing_in_the_schema_is_for_everybody(migrated: psycopg.Connection) -> None:
    assert _names(migrated, "SELECT has_schema_privilege('public', 'dbperf', 'USAGE')") == ["False"]


def test_checks_are_named(migrated: psycopg.Connection) -> None:
    assert not _names(
        migrated,
        "SELECT k.conname FROM pg_constraint AS k WHERE k.connamespace = 'dbperf'::regnamespace AND k.contype = 'c'"
        r" AND k.conname ~ '_check\d*$'",
    )


def test_views_run_with_the_callers_rights(migrated: psycopg.Connection) -> None:
    assert not _names(
        migrated,
        "SELECT c.oid::regclass FROM pg_class AS c WHERE c.relnamespace = 'dbperf'::regnamespace AND c.relkind = 'v'"
        " AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)",
    )


def test_no_routine_writes_what_it_calls_stable(migrated: psycopg.Connection) -> None:
    dynamic = _names(
        migrated,
        "SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'dbperf'::regnamespace AND p.provolatile <> 'v'"
        r" AND p.prosrc ~* '\m(insert into|update .* set|delete from|execute(?! function))\M'",
    )
    assert set(dynamic) == READERS


@pytest.mark.parametrize("file", files.library(), ids=lambda file: file.name)
def test_one_routine_per_file(file: files.LibraryFile) -> None:
    assert list(file.statements) == [s.rstrip(";") for s in sqlparse.split(";\n\n".join(file.statements))]
    created = [s for s in file.statements if s.startswith("CREATE")]
    assert len(created) == 1
    assert re.match(rf"CREATE OR REPLACE (FUNCTION|PROCEDURE|VIEW) dbperf\.{file.name}\b", created[0])
    assert file.statements[1].startswith("COMMENT ON ")
    assert all(s.startswith(("COMMENT ON ", "REVOKE EXECUTE ON ")) for s in file.statements[2:])


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: path.stem)
def test_keywords_are_upper_case(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    bodies = [text, *re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL)]
    words = {"select", "from", "where", "join", "on", "and", "or", "not", "insert", "update", "delete", "create", "order", "group",
             "union", "case", "when", "then", "else", "end", "begin", "declare", "returns", "language", "if", "loop", "raise", "as"}  # fmt: skip
    for body in bodies:
        for kind, value in sqlparse.lexer.tokenize(body):  # type: ignore[no-untyped-call]
            assert not (kind in tokens.Keyword and value in words), (path, value)


@pytest.mark.parametrize("path", [p for p in SQL_FILES if "lib" in p.parts], ids=lambda path: path.stem)
def test_bodies_follow_the_style(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    if path.stem not in CATCH_ALL:  # type: ignore[attr-defined]
        assert not re.search(r"WHEN\s+OTHERS", text), "an error that is swallowed"
    for declared in re.findall(r"DECLARE\n(.*?)BEGIN", text, re.DOTALL):
        for name in re.findall(r"^\s*(\w+)\s", declared, re.MULTILINE):
            assert name.startswith("v_"), name
    local = set(re.findall(r"\b(\w+) AS (?:MATERIALIZED )?\(", text)) | {
        "removed_rows",
        "updated_rows",
    }  # WITH, and transition tables
    for source in re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)(?!\s*\()[\s;]", re.sub(r"--.*|'[^']*'", "", text)):
        known = source.startswith("v_") or source in {"STRICT", "LATERAL", "dbperf", "pg_catalog", "only"} | local
        assert known or source.isupper(), f"{source} is not schema-qualified"


def test_plans_are_the_only_statements_outside_transactions() -> None:
    """They resume by themselves: nothing is remembered but what the catalogue says."""
    for migration in files.migrations():
        if not migration.transactional:
            for statement in (*migration.statements, *migration.rollback):
                assert re.match(r"(--.*\n)*SELECT statement FROM dbperf\.\w+\(", statement), statement


def test_every_migration_has_a_way_back() -> None:
    assert all(migration.rollback for migration in files.migrations())
