"""Decodes an export request into its spans, by trace."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from otel_fe import compiled
from otel_fe.model.span import ERROR, OK, UNSET
from otel_fe.wire.attributes import WireAttributes
from otel_fe.wire.batch import Batch, Trace
from otel_fe.wire.fields import DELIMITED, walk
from otel_fe.wire.messages import Heads, Spans, Status
from otel_fe.wire.resource_scope import Interned, WireResource, WireScope
from otel_fe.wire.sizes import add_sizes
from otel_fe.wire.span import WireSpan
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from otel_fe.compiled.protocols import BatchOf

    Traces = dict[bytes, "Trace"]

_RESOURCE_SPANS: Final = 1
_SCOPE_SPANS: Final = 2
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_MOST_ORIGINS: Final = 100_000
"""Most resources and scopes in one request: an empty one is two bytes, and a thousand times that once it is parsed."""
_SMALLEST_SPAN: Final = 28
"""Tags, lengths and the two ids that every span must have."""
_FEW_SPANS: Final = 1_000


class Decoder:
    """Decodes requests; caches resources and scopes across requests. Thread-safe."""

    def __init__(self) -> None:
        self.resources = Interned(WireResource)
        self.scopes = Interned(WireScope)

    def decode(self, payload: bytes, *, sized: bool = True) -> Batch:
        """Return the spans of an `ExportTraceServiceRequest`, by trace.

        A span is rejected, and the rest accepted, if its trace id or span id is not of the right length, or zero, or its
        parent's id is of a wrong length. (The Collector refuses the whole request for a wrong length, and takes zeros.)

        Args:
            payload: The encoded request.
            sized: Whether to count the bytes of each trace.

        Raises:
            WireError: The bytes are no such request, or hold unreasonably many empty messages.
        """
        usual = self._decode_usual(payload, sized=sized)
        return self._decode(payload, sized=sized) if usual is None else usual

    def _decode_usual(self, payload: bytes, *, sized: bool) -> Batch | None:
        """Decode in C; return None if there is no compiled module, or the request is unusual."""
        try:
            found = _batch_of(payload, self.resources, self.scopes, WireSpan, Trace)
        except (UnicodeDecodeError, WireError):
            return None
        if found is not None and sized:
            found.measure()
        batch: Batch | None = found
        return batch

    def _decode(self, payload: bytes, *, sized: bool) -> Batch:
        traces: Traces = {}
        sizes: dict[bytes, int] = {}
        rejected = origins = 0
        for resource_spans in walk(payload, 0, len(payload)):
            if resource_spans.number != _RESOURCE_SPANS or resource_spans.wire_type != DELIMITED:
                continue
            frame, scopes = _taken_apart(payload, resource_spans.value, resource_spans.end)
            origins += 1 + len(scopes)
            if origins > _MOST_ORIGINS:
                raise WireError(f"more than {_MOST_ORIGINS} resources and scopes in one request")
            resource = self.resources[frame]
            of_scopes: list[list[WireSpan]] = []
            for start, end in scopes:
                added: list[WireSpan] = []
                rejected += self._add(payload[start:end], resource, traces, added, sized=sized)
                of_scopes.append(added)
            if sized:
                add_sizes(of_scopes, sizes)
        if sized:
            for encoded_id, trace in traces.items():
                trace.size_bytes = sizes.get(encoded_id, 0)
        return Batch([trace for trace in traces.values() if trace.spans], rejected)

    def _add(self, data: bytes, resource: WireResource, traces: Traces, added: list[WireSpan], *, sized: bool) -> int:
        """Add the spans of a `ScopeSpans` to their traces and to `added`; return how many were rejected."""
        raws, frame = _split(data)
        heads = _heads(data)
        scope = self.scopes[frame]
        sought = scope.sought
        rejected = 0
        from_bytes, intern, known, statuses = int.from_bytes, sys.intern, traces.get, _STATUSES
        # Flat and dense: this runs for every span.
        for raw, head in zip(raws, heads, strict=True):
            encoded_id = head.trace_id
            trace = known(encoded_id) or _begun(encoded_id, traces)
            span_id, parent_id = head.span_id, head.parent_span_id
            number = from_bytes(span_id, "big")
            if trace is None or not number or len(span_id) != _SPAN_ID_BYTES or len(parent_id) not in _PARENT_ID_BYTES:
                rejected += 1
                continue
            span = WireSpan()
            span.trace_id = trace.trace_id
            span.span_id = number
            span.parent_id = from_bytes(parent_id, "big") if parent_id else 0
            span.name = intern(head.name)
            span.kind = head.kind
            span.start_ns = head.start_time_unix_nano
            span.end_ns = head.end_time_unix_nano
            status = head.status
            span.status = statuses[status] if status in statuses else _code(status)
            if sized:
                span.has_status = head.HasField("status")
            span.trace_state = head.trace_state
            span.flags = head.flags
            span.resource = resource
            span.scope = scope
            span.raw = raw
            span.attributes = attributes = WireAttributes()
            attributes.raw = raw
            attributes.head = head
            attributes.pairs = None
            attributes.sought = sought
            trace.spans.append(span)
            added.append(span)
        return rejected


_PARENT_ID_BYTES: Final = (_SPAN_ID_BYTES, 0)
_STATUSES: Final = {b"": UNSET, b"\x18\x00": UNSET, b"\x18\x01": OK, b"\x18\x02": ERROR}
"""Codes by the encoded status; others have a message, too."""


def _code(status: bytes) -> int:
    try:
        return int(Status.FromString(status).code)
    except DecodeError as error:
        raise WireError(f"a status that is none: {error}") from None


def _begun(encoded_id: bytes, traces: Traces) -> Trace | None:
    """Return a trace that is new in this request; None where its id is not valid."""
    trace_id = int.from_bytes(encoded_id, "big")
    if len(encoded_id) != _TRACE_ID_BYTES or not trace_id:
        return None
    trace = traces[encoded_id] = Trace(trace_id)
    return trace


def _taken_apart(payload: bytes, start: int, end: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Return a `ResourceSpans` without its scopes, encoded, and where in the payload each of its scopes is."""
    frame: list[bytes] = []
    scopes: list[tuple[int, int]] = []
    for field in walk(payload, start, end):
        if field.number == _SCOPE_SPANS and field.wire_type == DELIMITED:
            scopes.append((field.value, field.end))
        else:
            frame.append(payload[field.start : field.end])
        if len(scopes) + len(frame) > _MOST_ORIGINS:
            raise WireError(f"more than {_MOST_ORIGINS} resources and scopes in one request")
    return b"".join(frame), scopes


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the spans of a `ScopeSpans`, encoded, and everything else in it."""
    try:
        message: Any = Spans.FromString(data)
    except DecodeError as error:
        raise WireError(f"a ScopeSpans that is none: {error}") from None
    raws: list[bytes] = message.spans[:]
    if len(raws) > _FEW_SPANS and len(raws) * _SMALLEST_SPAN > len(data):
        # Parsed further, each would take a hundred times as much memory.
        raise WireError(f"{len(raws)} spans in {len(data)} bytes: most of them have no ids")
    message.ClearField("spans")
    return raws, message.SerializeToString()


def _heads(data: bytes) -> Any:
    try:
        return Heads.FromString(data).spans[:]
    except DecodeError as error:
        raise WireError(f"spans that are none: {error}") from None


def _all_unusual(
    payload: bytes,  # noqa: ARG001 as in C
    resources: object,  # noqa: ARG001
    scopes: object,  # noqa: ARG001
    kind: type,  # noqa: ARG001
    trace_kind: object,  # noqa: ARG001
) -> None:
    return None


_batch_of: Final[BatchOf] = _all_unusual if compiled.backend is None else compiled.backend.batch_of
decode: Final = Decoder().decode
"""`Decoder.decode` with the resources and scopes of the whole process."""
