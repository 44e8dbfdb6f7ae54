"""Suggests the name that a misspelt one probably means."""

from __future__ import annotations

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
    return next(iter(nearest_few(name, known, 1, similarity)), "")


def nearest_few(name: str, known: Iterable[str], most: int, similarity: float = _SIMILARITY) -> list[str]:
    """Return the known names that are most like `name`, `most` at most, the nearest first."""
    import difflib  # noqa: PLC0415 most processes misspell nothing, and all that are instrumented import this module

    return difflib.get_close_matches(name, list(known), n=most, cutoff=similarity)


def did_you_mean(name: str, known: Iterable[str], similarity: float = _SIMILARITY) -> str:
    """Return the end of a message, `; did you mean …?`; empty where no known name is similar enough."""
    near = nearest(name, known, similarity)
    return f"; did you mean {near}?" if near else ""
