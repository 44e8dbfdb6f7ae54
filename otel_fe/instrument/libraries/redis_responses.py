"""Turns Redis commands (GET, MGET, …) and their responses into look-ups of the extraction: hits and misses, never the values."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.instrument.extraction import Extraction

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
"""Keyed by command, as applications spell them."""
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


def record_command(
    running: Extraction, counting: Count, args: Sequence[Any], response: Any, start: int, end: int
) -> None:
    """Count the look-ups of a command that was answered. Never raises.

    Args:
        running: The extraction that executed it.
        counting: From `count_of`.
        args: The command and its arguments.
        response: As redis-py returns it to the application.
        start: `perf_counter_ns` when it was sent, without any wait for a pool.
        end: When its response had been read.
    """
    try:
        hits, misses = counting(response, args)
        running.looked_up(hits, misses, start, end)
    except Exception as fault:
        faults.record("redis.lookup", fault)


def record_failed(running: Extraction, start: int) -> None:
    """Count the time of a command that was answered with an error or, after a time-out, with nothing: a call. Never raises."""
    try:
        running.looked_up(0, 0, start, perf_counter_ns())
    except Exception as fault:
        faults.record("redis.failed", fault)


def record_pipeline(running: Extraction, stack: Any, responses: Any, start: int, end: int) -> None:
    """Count the look-ups of a pipeline or transaction that has been executed. Never raises.

    Args:
        running: The extraction that executed it.
        stack: Its commands, in any version's form.
        responses: In the same order; None where each command holds its own.
        start: When it was sent, without any wait for a pool.
        end: When the last response had been read.
    """
    try:
        commands: list[Sequence[Any]] = [getattr(c, "args", None) or c[0] for c in stack]
        if responses is None:
            responses = [getattr(command, "result", None) for command in stack]
        hits, misses = count(commands, responses)
        if hits or misses:
            running.looked_up(hits, misses, start, end)
    except Exception as fault:
        faults.record("redis.pipeline", fault)
