"""What the writers advise to Python code, as the command line has it."""

from __future__ import annotations

import re

_ROUND = re.compile(r"(round it, or )?(pass nanoseconds=|pass round=|name its column in round=).*")
_UTC = re.compile(r": pass (naive UTC|aware) datetimes, or naive_is_utc=True")

#: Options as sentences of the writers name them, and as the command line does.
_NAMES = (
    (
        re.compile(r"(?<=stored before with other content)(?=: give this one)"),
        r", --instrument, --map, --round, --time or --null",
    ),
    (re.compile(r", or pass on_deleted => .*"), ""),
    (re.compile(r"pass commit='each', or leave parallel out"), "leave --parallel out"),
    (
        re.compile(r"with other content, parallel or commit:"),
        "with other content, --instrument, --map, --round, --time, --null or --parallel:",
    ),
    (re.compile(r"^parallel (?=deals)|(?<=leave )parallel (?=out)"), "--parallel "),
    (re.compile(r"^(key|newer) (?=says|names)"), r"--\1 "),
    (re.compile(r"\b(on|max|batch)_(conflict|errors?|id)\b(?!=)"), r"--\1-\2"),
    (re.compile(r"\b(on|max)_(conflict|errors?)='?(\w+)'?"), r"--\1-\2 \3"),
    (
        re.compile(r"batch (file [0-9a-f]{64} [0-9a-f]{16}) was stored before,? with other content.*"),
        r"the file was loaded before with other options (--map, --round, --time, --null …): delete those rows, and the "
        r"ledger's (DELETE FROM dbperf.batch_ledger WHERE starts_with(batch_id, '\1')), or pass a --batch-id of its "
        "own if it is meant twice",
    ),
)


#: After what the server says of a row without a partition.
NO_PARTITION = "load makes those of the past, and as far ahead as max_ahead in dbperf.partition_policy"


def of_value(reason: str, column: str | None, *, rounds: bool) -> str:
    """Why a value of *column* does not fit; *rounds*: ``--round`` knows its type."""
    advice = f"--round {column} rounds half-even" if rounds else "round it where the file is made"
    return _UTC.sub("", _ROUND.sub(advice.replace("\\", r"\\"), reason))


def of_batch(reason: str) -> str:
    """Why the options or the batch do not fit."""
    for wanted, name in _NAMES:
        reason = wanted.sub(name, reason)
    return reason
