"""Sizes of inputs from their shape alone: nothing is copied, computed or read."""

from __future__ import annotations

from typing import Any, Final

_SIZED: Final = (list, tuple)
"""Types with a length at no cost; that of another library's object may have to be computed first."""
_LONGEST: Final = 80
"""Characters of a name."""


def rows(data: Any) -> int | None:
    """Return the entries of an array, table or list; None where it does not say."""
    shape = getattr(data, "shape", None)
    if shape is not None:
        return whole(shape[0]) if isinstance(shape, tuple) and shape else None
    return len(data) if isinstance(data, _SIZED) else None


def columns(data: Any) -> int | None:
    """Return the columns of a matrix or table; None of anything else. Of a tuple, those of its first part."""
    if isinstance(data, tuple) and data:
        data = data[0]
    shape = getattr(data, "shape", None)
    return whole(shape[1]) if isinstance(shape, tuple) and len(shape) == 2 else None  # noqa: PLR2004 a matrix


def whole(number: Any) -> int | None:
    """Return a number of ours, where it is one at all: a lazy table's is a promise, or not a number."""
    return int(number) if isinstance(number, int) else None


def texts(inputs: Any) -> int | None:
    """Return how many inputs there are, where one may stand for itself: a text, or a list of them."""
    return 1 if isinstance(inputs, str) else rows(inputs)


def cut(name: str) -> str:
    """Return a name that is not too long for a dimension."""
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
