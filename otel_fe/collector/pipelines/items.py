"""Counts what a request holds without keeping any of it, and refuses what is no request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from otel_fe.collector.wire.fields import DELIMITED, walk
from otel_fe.collector.wire.signals import SIGNALS
from otel_fe.collector.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVELS: Final[dict[str, Sequence[frozenset[int]]]] = {
    "traces": (frozenset({1}), frozenset({2}), frozenset({2})),
    "logs": (frozenset({1}), frozenset({2}), frozenset({2})),
    "metrics": (frozenset({1}), frozenset({2}), frozenset({2}), frozenset({5, 7, 9, 10, 11}), frozenset({1})),
}
"""The fields that lead to the items, from the outside to the inside: opentelemetry-proto 1.x."""
_SMALL_BYTES: Final = 1 << 20
"""Up to here, what protobuf makes of empty messages fits into some 100 MiB, whatever they are."""
_SMALLEST: Final = 8
"""Bytes that a message of each level takes on average in a request that means something."""


def items_of(signal: str, payload: bytes) -> int:
    """Return how many spans, data points or log records a request holds.

    Args:
        signal: `traces`, `metrics` or `logs`.
        payload: The encoded request.

    Raises:
        WireError: It is no such request, or consists of empty messages, each of which takes a hundred times its room.
    """
    if len(payload) > _SMALL_BYTES:
        _check_density(payload, _LEVELS[signal])
    try:
        request = SIGNALS[signal].request.FromString(payload)
    except DecodeError as error:
        raise WireError(f"no request to export {signal}: {error}") from None
    return _COUNTS[signal](request)


def _spans(request: Any) -> int:
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _records(request: Any) -> int:
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _points(request: Any) -> int:
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


_COUNTS: Final = {"traces": _spans, "logs": _records, "metrics": _points}


def _check_density(payload: bytes, levels: Sequence[frozenset[int]]) -> None:
    """Refuse a large request that holds more messages than its size explains.

    Raises:
        WireError: It does.
    """
    left = len(payload) // _SMALLEST
    waiting = [(0, len(payload), 0)]
    while waiting:
        start, end, level = waiting.pop()
        for field in walk(payload, start, end):
            if field.number not in levels[level] or field.wire_type != DELIMITED:
                continue
            left -= 1
            if left < 0:
                raise WireError(f"most of the messages in these {len(payload)} bytes are empty")
            if level + 1 < len(levels):
                waiting.append((field.value, field.end, level + 1))
