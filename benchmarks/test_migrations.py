"""What the migrations buy and what they cost: ratios of one run, both sides taken in turn.

pytest-benchmark times the migrated side; ``extra_info`` holds the legacy side and the ratio.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import demo, workload
from benchmarks.conftest import Pair

#: The promise of every migration: at most 1.2 × the legacy time, or 0.2 ms more.
RATIO, EXTRA_MS = 1.2, 0.2


@pytest.mark.parametrize("name", workload.QUERIES)
def test_queries_are_as_fast_as_before(pair: Pair, benchmark: BenchmarkFixture, name: str) -> None:
    given = {
        conn: (workload.application_text(name), workload.parameters(conn, name)) for conn in (pair.before, pair.after)
    }
    old, new = demo.alternate(
        pair.before, pair.after, 9, lambda conn: workload.median_ms(conn, *given[conn], repeat=30)
    )
    benchmark.extra_info.update(legacy_ms=round(old, 3), dbperf_ms=round(new, 3), ratio=round(new / old, 2))
    benchmark.pedantic(workload.run, args=(pair.after, *given[pair.after]), rounds=20, warmup_rounds=5)  # type: ignore[no-untyped-call]
    print(f"{name:32} legacy {old:8.3f} ms   dbperf {new:8.3f} ms   ratio {new / old:.2f}")
    assert new <= max(RATIO * old, old + EXTRA_MS)


@pytest.mark.parametrize("words", demo.WRITERS)
def test_inserts_are_no_slower(pair: Pair, benchmark: BenchmarkFixture, words: str) -> None:
    write, make_rows, count = demo.WRITERS[words]
    rows = list(make_rows(count))
    old, new = demo.alternate(pair.before, pair.after, 9, lambda conn: workload.rate(conn, write, rows))
    benchmark.extra_info.update(legacy_rows_s=round(old), dbperf_rows_s=round(new), ratio=round(new / old, 2))
    benchmark.pedantic(write, args=(pair.after, rows), rounds=3)  # type: ignore[no-untyped-call]
    print(f"{words:32} legacy {old:8.0f} /s   dbperf {new:8.0f} /s   ratio {new / old:.2f}")
    assert new > 0.95 * old
