"""Counts look-ups from Redis commands (GET, MGET, …) and their responses: hits and misses, never the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Count = Callable[[Any, Sequence[Any]], "tuple[int, int]"]
    """From a response and the command's arguments to hits and misses."""


def _one(response: Any, _args: Sequence[Any]) -> tuple[int, int]:
    return (0, 1) if response is None else (1, 0)


def _one_unless_empty(response: Any, _args: Sequence[Any]) -> tuple[int, int]:
    return (1, 0) if response else (0, 1)


_NO_MATCHES: Final[dict[type, object]] = {list: [], str: "[]", bytes: b"[]"}


def _json(response: Any, _args: Sequence[Any]) -> tuple[int, int]:
    # A path that begins with $ answers with a list of matches.
    return (0, 1) if response == _NO_MATCHES.get(type(response)) else (1, 0)


def _each(response: Any, _args: Sequence[Any]) -> tuple[int, int]:
    hits = sum(value is not None for value in response)
    return hits, len(response) - hits


def _exists(response: Any, args: Sequence[Any]) -> tuple[int, int]:
    asked = len(args) - 1
    found = min(int(response), asked)
    return found, asked - found


_LOOKUPS: Final[dict[str, Count]] = {
    "GET": _one,
    "GETEX": _one,
    "GETDEL": _one,
    "HGET": _one,
    "MGET": _each,
    "HMGET": _each,
    "HGETALL": _one_unless_empty,
    "EXISTS": _exists,
    "JSON.GET": _json,
    "JSON.MGET": _each,
}


def _spellings(name: str) -> tuple[str, str]:
    return name, name.lower()


COUNTS: Final[dict[Any, Count]] = {spelling: count for name, count in _LOOKUPS.items() for spelling in _spellings(name)}
"""By command, as applications spell them."""
_BY_BYTES: Final[dict[Any, Count]] = {spelling.encode(): count for spelling, count in COUNTS.items()}
"""Apart: text and bytes hash alike, so that in one dictionary they would be compared, which `python -bb` refuses."""


def count_of(command: Any) -> Count | None:
    """Return what counts the look-ups of a command; None where it is no look-up."""
    return (_BY_BYTES if type(command) is bytes else COUNTS).get(command)


def count(commands: Sequence[Sequence[Any]], responses: Sequence[Any]) -> tuple[int, int]:
    """Return hits and misses of a pipeline; commands that failed, and those that are no look-ups, do not count."""
    hits = misses = 0
    for args, response in zip(commands, responses, strict=False):
        counting = count_of(args[0]) if args else None
        if counting is not None and not isinstance(response, Exception):
            hit, miss = counting(response, args)
            hits += hit
            misses += miss
    return hits, misses
