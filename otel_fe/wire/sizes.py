"""The size of traces, as the Collector's tail sampler counts it.

It regroups what it receives: each `ResourceSpans` becomes one for each trace in it, with the scopes of that trace's spans. Its
encoder writes an empty parent id and an empty status where there is none, and those bytes count.

Source: opentelemetry-collector, pdata/ptrace `ProtoMarshaler.ResourceSpansSize`; tailsamplingprocessor, `groupByTraceKey`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.model.id_keys import trace_key
from otel_fe.wire.fields import varint_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.wire.span import WireSpan

_EMPTY: Final = 2
"""A tag and a length of 0."""
_ONE_BYTE: Final = 1 << 7
_TWO_BYTES: Final = 1 << 14
"""Lengths below take so many bytes."""


def add_sizes(scopes: Iterable[Sequence[WireSpan]], sizes: dict[bytes, int]) -> None:
    """Add the sizes of the parts of a `ResourceSpans` to those of the traces; decoded with `sized`.

    Args:
        scopes: The spans of each of its scopes.
        sizes: By `trace_key`, in bytes.
    """
    of_traces: dict[bytes, int] = {}
    for spans in filter(None, scopes):
        in_scope: dict[bytes, int] = {}
        for span in spans:
            size = len(span.raw)
            if not span.parent_id:
                size += _EMPTY
            if not span.has_status:
                size += _EMPTY
            length = 1 if size < _ONE_BYTE else 2 if size < _TWO_BYTES else varint_size(size)
            key = trace_key(span.trace_id)
            in_scope[key] = in_scope.get(key, 0) + 1 + length + size
        around, beginning = spans[0].scope.size_bytes, spans[0].resource.size_bytes
        for key, size in in_scope.items():
            whole = size + around
            length = 1 if whole < _ONE_BYTE else 2 if whole < _TWO_BYTES else varint_size(whole)
            of_traces[key] = (of_traces.get(key) or beginning) + 1 + length + whole
    for key, size in of_traces.items():
        sizes[key] = sizes.get(key, 0) + size
