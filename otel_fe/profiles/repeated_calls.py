"""Finds equal calls in a row, and decides whether they are an N+1."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.model.span import OUTGOING_KINDS
from otel_fe.model.statement import statement_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FEWEST: Final = 5
"""Equal calls below one parent that are folded into one row."""
_WORTH: Final = 0.1
"""Least share of the parent's duration; calls that take less do not make it slow."""
_SIDE_BY_SIDE: Final = 0.05
"""Share of the calls' time that may overlap before they count as concurrent."""
_LONGEST: Final = 2_000
"""Characters of a statement that are compared."""
_LONGEST_NAME: Final = 80
_CACHES: Final = frozenset(("redis", "memcached", "valkey"))
_STATEMENTS: Final = ("db.query.text", "db.statement")
_DATABASES: Final = ("db.system.name", "db.system")
_SYSTEMS: Final = ("messaging.system", "rpc.system")
_PEERS: Final = ("server.address", "net.peer.name", "peer.service")
_READS: Final = frozenset(
    ("SELECT", "WITH", "GET", "HGET", "HGETALL", "MGET", "EXISTS", "FIND", "JSON.GET", "SMEMBERS")
)
_SPACE: Final = re.compile(r"\s+")
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_VALUE: Final = re.compile(
    r"'(?:[^']|'')*'"  # a text
    r"|%\(\w+\)s|%s|(?<![:\w]):\w+|\$\d+"  # a placeholder
    r"|(?<![\w.\"])[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w\"])"  # a number
)
_LIST: Final = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_DIGITS: Final = re.compile(r"\d+|[0-9a-f]{8}-[0-9a-f-]{27}")


class CallPattern(NamedTuple):
    """The common properties of equal calls."""

    kind: str
    """`database`, `cache` or `client`."""
    name: str
    """Short name: `SELECT … features`, `GET (redis)`."""
    shape: str
    """The statement without its values; empty where none is known."""

    @property
    def reads(self) -> bool:
        """Return whether it is a read, so that one read for all could replace it."""
        return self.name.split(" ", 1)[0].upper() in _READS


@dataclass(frozen=True, slots=True)
class RepeatedCalls:
    """Equal calls below one parent."""

    call: CallPattern
    count: int
    total_ns: int
    """Their durations together."""
    sequential: bool
    """Whether each call began after the one before had ended."""
    share: float
    """0..1: their time over the parent's duration."""

    @property
    def name(self) -> str:
        """The number of calls and their name."""
        return f"{self.count} × {self.call.name}"  # noqa: RUF001 a multiplication sign

    @property
    def n_plus_one(self) -> bool:
        """Return whether they are an N+1: many equal reads one after another that take a good part of the parent's time.

        Not so a polling loop, which takes little of that time; concurrent calls, which are a batch already; and equal writes, which
        read nothing.
        """
        return self.count >= FEWEST and self.sequential and self.share >= _WORTH and self.call.reads


def call_of(span: Any, attributes: Mapping[str, Any]) -> CallPattern | None:
    """Return the pattern of a span's call, by which equal calls are found; None for a span that is no call.

    Args:
        span: A `Span` of protobuf.
        attributes: Its attributes, by name, as `AnyValue`.
    """
    database, statement = _text(attributes, _DATABASES), _text(attributes, _STATEMENTS)
    if span.kind not in OUTGOING_KINDS and not database and not statement:
        return None
    name = _name(span, attributes, statement, database or _text(attributes, _SYSTEMS))[:_LONGEST_NAME]
    if database or statement:
        return CallPattern(
            "cache" if database in _CACHES else "database", name, statement_shape(statement) if statement else ""
        )
    where = (
        _text(attributes, ("url.template", "http.route"))
        or _text(attributes, ("url.full", "http.url")).partition("?")[0]
    )
    return CallPattern("client", name, _DIGITS.sub("?", where[:_LONGEST]))


def repeated_calls(call: CallPattern, times: Sequence[tuple[int, int]], parent_ns: int) -> RepeatedCalls:
    """Return the summary of equal calls below one parent.

    Args:
        call: What they have in common.
        times: Start and end of each (ns).
        parent_ns: The parent's duration.
    """
    total = overlapping = 0
    until = None
    for start, end in sorted(times):
        total += end - start
        if until is not None:
            overlapping += max(0, min(until, end) - start)
        until = end if until is None else max(until, end)
    sequential = overlapping <= _SIDE_BY_SIDE * total
    return RepeatedCalls(call, len(times), total, sequential, min(1.0, total / parent_ns) if parent_ns else 0.0)


def n_plus_ones(calls: Iterable[tuple[Any, CallPattern, int, int]], duration_ns: int) -> tuple[RepeatedCalls, ...]:
    """Return the N+1s among the calls of an extraction, those that take most of its time first.

    Args:
        calls: The parent's key, the call, start and end (ns), for each call.
        duration_ns: The extraction's.
    """
    found: dict[tuple[Any, CallPattern], list[tuple[int, int]]] = defaultdict(list)
    for parent, call, start, end in calls:
        found[parent, call].append((start, end))
    repeated = (repeated_calls(call, times, duration_ns) for (_, call), times in found.items() if len(times) >= FEWEST)
    return tuple(sorted((one for one in repeated if one.n_plus_one), key=lambda one: (-one.total_ns, one.call)))


def usual_n_plus_one(extractions: Iterable[tuple[Sequence[RepeatedCalls], float]]) -> RepeatedCalls | None:
    """Return the N+1 that takes most of the slow extractions' time, in the mean of those that have it; None unless most have it.

    Args:
        extractions: The N+1s and the weight of each slow extraction.
    """
    found: dict[CallPattern, list[tuple[RepeatedCalls, float]]] = defaultdict(list)
    weight = 0.0
    for repeated, its_weight in extractions:
        weight += its_weight
        for one in repeated:
            found[one.call].append((one, its_weight))
    usual = [each for each in found.values() if 2 * sum(its for _, its in each) > weight]
    if not usual:
        return None
    most = max(usual, key=lambda each: sum(one.total_ns * its for one, its in each))
    by = sum(its for _, its in most)

    def mean(value: Callable[[RepeatedCalls], float]) -> float:
        return sum(value(one) * its for one, its in most) / by

    count, total_ns = round(mean(lambda one: one.count)), round(mean(lambda one: one.total_ns))
    return RepeatedCalls(most[0][0].call, count, total_ns, sequential=True, share=mean(lambda one: one.share))


@lru_cache(maxsize=2_048)
def statement_shape(text: str) -> str:
    """Return a statement without its values, comments and line breaks, so that equal ones are equal."""
    bare = _VALUE.sub("?", _COMMENT.sub(" ", text[:_LONGEST]))
    return _LIST.sub("(?)", _SPACE.sub(" ", bare)).strip()


def _name(span: Any, attributes: Mapping[str, Any], statement: str, system: str) -> str:
    """Return a short name of a call: of its statement, else the span's with the system or host that was called."""
    summary = _text(attributes, ("db.query.summary",)) or _summary(statement)
    if summary:
        return summary
    if " " in span.name:  # more than a verb
        return str(span.name)
    return f"{span.name} ({system})" if system else f"{span.name} {_text(attributes, _PEERS)}".rstrip()


@lru_cache(maxsize=2_048)
def _summary(statement: str) -> str:
    return statement_summary(statement[:_LONGEST])


def _text(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    found = (attributes[name].string_value for name in names if name in attributes)
    return next((str(text) for text in found if text), "")
