"""Arrays of the numbers in a list, if they are of exactly the types that are expected.

Marshalled, a number is a letter for its exact type and its bytes: one pass in C both looks at the types, which
`numpy.array` does not, and gets at the numbers.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Bytes before the first value: the kind of sequence, and how many there are.
_HEAD = 5

#: By dtype (None for None): the letter of the type, the dtype of what follows it (an int's has 32 bits), an example.
_FORMS: dict[str | None, tuple[bytes, str, Any, bytes]] = {
    "f8": (b"g", "<f8", -1.5, b"\0\0\0\0\0\0\xf8\xbf"),
    "i8": (b"i", "<i4", -(2**31), b"\0\0\0\x80"),
    None: (b"N", "V0", None, b""),
}

#: Whether this Python marshals so.
_IS_KNOWN = all(
    marshal.dumps((example, example), 2)[_HEAD:] == 2 * (letter + data) for letter, _, example, data in _FORMS.values()
)


def is_number(dtype: str | None) -> bool:
    """Whether `numbers` finds what has this *dtype*."""
    return _IS_KNOWN and dtype is not None and dtype in _FORMS


def numbers(values: Sequence[Any], dtypes: tuple[str | None, ...]) -> list[Array] | None:
    """The columns of rows as arrays; None if a value is something else, or an int of more than 32 bits.

    Args:
        values: of the first row, then of the next, and so on: a list or a tuple.
        dtypes: of each column, one that `is_number`, or None if all its values are None.
    """
    record, names, places, letters = _record(dtypes)
    try:
        data = marshal.dumps(values, 2)  # type: ignore[arg-type]
    except ValueError:
        return None
    if len(data) != _HEAD + len(values) // len(dtypes) * record.itemsize:
        return None
    # what begins with the right letter is as long as expected: so the next begins where its letter is looked for
    table = np.frombuffer(data, np.uint8, offset=_HEAD).reshape(-1, record.itemsize)
    if not (table[:, places] == letters).all():
        return None
    records = np.frombuffer(data, record, offset=_HEAD)
    return [records[name] for name in names]


@lru_cache(64)
def _record(dtypes: tuple[str | None, ...]) -> tuple[np.dtype[Any], list[str], Array, Array]:
    """What one row is marshalled to, the names of its values, and where in it which letters are."""
    names = [f"value{number}" for number in range(len(dtypes))]
    shape: list[tuple[str, str]] = []
    for name, dtype in zip(names, dtypes, strict=True):
        shape += [(f"letter of {name}", "u1"), (name, _FORMS[dtype][1])]
    widths = [1 + np.dtype(_FORMS[dtype][1]).itemsize for dtype in dtypes]
    letters = b"".join(_FORMS[dtype][0] for dtype in dtypes)
    return np.dtype(shape), names, np.cumsum(widths) - widths, np.frombuffer(letters, np.uint8)
