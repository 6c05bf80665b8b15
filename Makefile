# Two commands do everything: make demo, make test. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
CSV ?= benchmarks/sample.csv
ENV = env -u DATABASE_URL -u DBPERF_DSN -u DBPERF_HOME

.PHONY: help install demo migrate test chaos bench lint generate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## make .venv with everything that the other targets need

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "dbperf needs Python 3.11 or later: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python cannot make environments: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

.venv/bench: .venv/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev,bench]' || { echo "pgcopy's psycopg2 is compiled: on Debian, apt-get install gcc libpq-dev python3-dev" >&2; exit 1; }
	@touch $@

demo: install ## a legacy database of 1 M ticks, before and after; CSV=file loads that file
	@$(ENV) $(BIN)/python -m benchmarks.demo "$(CSV)"

migrate: install ## migrate the database that DATABASE_URL or PG* names
	@$(BIN)/dbperf migrate

test: install ## all tests, on PostgreSQL 18 and 15
	@$(ENV) $(BIN)/python -m tests.both

chaos: install ## kill -9 of client and server while they migrate, on PostgreSQL 18 and 15
	@$(ENV) $(BIN)/python -m tests.both -m chaos -s

bench: .venv/bench ## the figures of docs/decisions.md; each is a ratio within one run
	@$(ENV) $(BIN)/python -m pytest benchmarks --benchmark-disable-gc

lint: install ## ruff, mypy --strict, and that generated code is current
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/unasyncd --check --quiet

generate: install ## write the sync writers and docs/cli.md anew
	@$(BIN)/unasyncd && $(BIN)/python -m tests.test_cli
