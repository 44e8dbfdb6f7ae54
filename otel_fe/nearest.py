"""The name that was probably meant by a misspelt one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIMILARITY: Final = 0.6


def nearest(name: str, known: Iterable[str], similarity: float = _SIMILARITY) -> str:
    """Return the known name that is most like `name`; empty where none is similar enough.

    Args:
        name: As it was written.
        known: The names that there are.
        similarity: The least that counts, from 0 to 1: the ratio of Ratcliff and Obershelp.
    """
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=similarity)), "")


def did_you_mean(name: str, known: Iterable[str], similarity: float = _SIMILARITY) -> str:
    """Return the end of a message, `; did you mean …?`; empty where no known name is similar enough."""
    near = nearest(name, known, similarity)
    return f"; did you mean {near}?" if near else ""
