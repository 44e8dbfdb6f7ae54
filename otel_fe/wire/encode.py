"""Encodes kept spans as export requests: byte for byte as received, except for their `tracestate`.

    ExportTraceServiceRequest: for each resource its frame, and
        for each scope its frame, and
            its spans

Frames are the bytes that the sender wrote around its spans (`resource_scope.py`); they are joined, not encoded.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Final

from otel_fe import compiled
from otel_fe.model import trace_state
from otel_fe.wire.fields import DELIMITED, delimited, delimited_head, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from otel_fe.compiled.protocols import Runs
    from otel_fe.model.decision import Decision
    from otel_fe.wire.resource_scope import WireResource, WireScope
    from otel_fe.wire.span import WireSpan

    Kept = tuple[Sequence[WireSpan], Decision]
    Run = tuple[WireResource, WireScope, bytes, int]
    """Resource and scope of spans; the spans, encoded, each with tag and length; their number."""

POLICY: Final = "tailsampling.policy"
"""The name under which the Collector records the policy that sampled a trace; it does so on the scope."""
MAXIMUM_BYTES: Final = 4 << 20
"""The largest message that gRPC servers accept by default."""

_RUNS: Final = 8
"""In a request, at least: what is left of one in which the next run has no room is sent, too."""
_UNBOUNDED: Final = sys.maxsize
_RESOURCE_SPANS: Final = 1
_SCOPE_SPANS: Final = 2
_SPANS: Final = 2
_TRACE_STATE: Final = 3
_ATTRIBUTES: Final = 9
_AROUND: Final = 6
"""Tag and length of a message: at most."""
_IDS: Final = 28
"""Bytes of the two ids at the beginning of a span, as nearly every encoder writes it, with their tags and lengths."""
_TRACE_ID: Final = b"\x0a\x10"
_SPAN_ID: Final = b"\x12\x08"
_STATE_TAG: Final = _TRACE_STATE << 3 | DELIMITED
_ONE_BYTE: Final = 0x80


class ExportRequest:
    """An export request in the making."""

    __slots__ = ("_members", "_resource", "_resources", "_scope", "_size_bytes", "spans")

    def __init__(self) -> None:
        self._resources: dict[WireResource, dict[WireScope, list[bytes]]] = {}
        self._resource: WireResource | None = None
        """Resource of the last run, like the two below: adjacent spans mostly share them."""
        self._scope: WireScope | None = None
        self._members: list[bytes] = []
        self._size_bytes = 0
        """Most bytes of the encoded request."""
        self.spans = 0

    def add(self, run: Run, maximum_bytes: int = _UNBOUNDED) -> bool:
        """Add spans; False, and nothing is done, where the request would be too large with them."""
        resource, scope, encoded, spans = run
        size = self._size_bytes + len(encoded)
        stays = scope is self._scope and resource is self._resource
        if not stays:
            scopes = self._resources.get(resource)
            if scopes is None:
                size += len(resource.frame) + _AROUND
            if scopes is None or scope not in scopes:
                size += len(scope.frame) + _AROUND
        if size > maximum_bytes and self.spans:
            return False
        if not stays:
            self._resource, self._scope = resource, scope
            self._members = self._resources.setdefault(resource, {}).setdefault(scope, [])
        self._members.append(encoded)
        self._size_bytes = size
        self.spans += spans
        return True

    def encode(self) -> bytes:
        """Return it as an `ExportTraceServiceRequest`."""
        written: list[bytes] = []
        for resource, scopes in self._resources.items():
            parts = [resource.frame]
            parts += [delimited(_SCOPE_SPANS, b"".join((scope.frame, *members))) for scope, members in scopes.items()]
            written.append(delimited(_RESOURCE_SPANS, b"".join(parts)))
        return b"".join(written)


def encode(
    kept: Iterable[Kept], *, maximum_bytes: int = MAXIMUM_BYTES, record_policy: bool = False
) -> Iterator[tuple[bytes, int]]:
    """Yield export requests for kept spans, and how many spans each holds.

    Args:
        kept: Spans, and the decision on their trace.
        maximum_bytes: No request is larger, except with a single span that is.
        record_policy: Whether to put the name of the policy on each span, as the attribute `tailsampling.policy`, unless it has
            one from a sampler before. Not on the scope, as the Collector does: spans of one scope and several policies would
            need several scopes, whose bytes would no longer be those that came.
    """
    request = ExportRequest()
    for spans, decision in kept:
        for run in _runs(spans, decision, maximum_bytes // _RUNS, record_policy=record_policy):
            if not request.add(run, maximum_bytes):
                yield request.encode(), request.spans
                request = ExportRequest()
                request.add(run)
    if request.spans:
        yield request.encode(), request.spans


def runs_of(spans: Sequence[WireSpan], decision: Decision) -> Iterable[Run]:
    """Return kept spans as they leave: adjacent ones of one scope together."""
    return _runs(spans, decision, _UNBOUNDED, record_policy=False)


def _runs(spans: Sequence[WireSpan], decision: Decision, maximum_bytes: int, *, record_policy: bool) -> Iterable[Run]:
    """Return spans as they leave: adjacent ones of one scope in runs of at most so many bytes, or of one span."""

    def single(span: WireSpan) -> bytes:
        return _framed(stamped(span, decision, record_policy=record_policy))

    stamp = None if record_policy else _stamp("", decision.threshold) or b""
    return _joined(spans, stamp, single, maximum_bytes)


def _plain_runs(
    spans: Sequence[WireSpan],
    stamp: bytes | None,  # noqa: ARG001 as in C
    single: Callable[[WireSpan], bytes],
    most_bytes: int,  # noqa: ARG001
) -> list[Run]:
    return [(span.resource, span.scope, single(span), 1) for span in spans]


_joined: Final[Runs] = _plain_runs if compiled.backend is None else compiled.backend.runs


def run_of(span: WireSpan) -> Run:
    """Return a span as received."""
    return span.resource, span.scope, _framed(span.raw), 1


def _framed(encoded: bytes) -> bytes:
    """Return an encoded span as a field of its scope."""
    return _head(len(encoded)) + encoded


@functools.lru_cache(1_024)
def _head(size: int) -> bytes:
    """Return the tag and the length in front of a span."""
    return delimited_head(_SPANS, size)


def stamped(span: WireSpan, decision: Decision, *, record_policy: bool = False) -> bytes:
    """Return an encoded span with its decision: byte for byte as received where that changes nothing.

    A `tracestate` that cannot be read stays as it is.
    """
    raw, before = span.raw, span.trace_state
    stamp = _stamp(before, decision.threshold)
    if stamp is not None:
        raw = (_without_trace_state(raw) if before else raw) + stamp
    if record_policy and decision.reason and POLICY not in span.attributes:
        value = delimited(1, decision.reason.encode("utf-8", "replace"))
        raw += delimited(_ATTRIBUTES, delimited(1, POLICY.encode()) + delimited(2, value))
    return raw


@functools.lru_cache(1_024)
@functools.lru_cache(1_024)
def _stamp(before: str, threshold: int | None) -> bytes | None:
    """Return the field with the new `tracestate`, empty where there is none any more; None where it stays as it was."""
    after = trace_state.stamped(before, threshold)
    if after is None or after == before:
        return None
    return delimited(_TRACE_STATE, after.encode()) if after else b""


def _without_trace_state(raw: bytes) -> bytes:
    if raw[_IDS] == _STATE_TAG and raw[_IDS + 1] < _ONE_BYTE and raw.startswith(_TRACE_ID) and raw[18:20] == _SPAN_ID:
        # Its usual place. If there is another, the appended one counts: protobuf takes the last.
        return raw[:_IDS] + raw[_IDS + 2 + raw[_IDS + 1] :]
    return without(raw, _TRACE_STATE)
