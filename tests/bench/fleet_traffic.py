"""The traffic of a fleet: traces over three services, each of which sends its own spans at its own time.

    gateway    GET /items (SERVER, the root) ── POST /features (CLIENT)
    features       POST /features (SERVER) ── feature_extraction user_profile (14 attributes) ── GET (Redis), POST /rank (CLIENT)
    rank               POST /rank (SERVER) ── SELECT (PostgreSQL)

A hundredth of the traces fails, in the last service; a hundredth is slow. Spans are put together from fields that were encoded
once, since a million of them are made before the clock starts.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_fe.wire.fields import delimited

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = ("gateway", "features", "rank")
SPANS_PER_TRACE = 8
SPANS_PER_S = 20_000
_MS = 1_000_000
_BEGAN_NS = 1_790_000_000_000_000_000
_POOL = 64
"""How many sets of attributes there are of each kind of span."""
_FAILED_SHARE = _SLOW_SHARE = 0.01
_TIMES = struct.Struct("<BQBQ")
_FAILED = delimited(15, Status(code=Status.STATUS_CODE_ERROR).SerializeToString())


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one service."""

    payload: bytes
    spans: int
    decides: list[str] = field(default_factory=list)
    """Ids of the traces that an error or a slow root in it makes worth keeping, in hexadecimal."""
    ends: list[str] = field(default_factory=list)
    """Ids of the traces whose root is in it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    service: int
    name: str
    kind: int
    parent: int | None
    """Which of the trace's spans."""
    share: tuple[float, float]
    """Where in the trace's time it begins and ends."""


_KINDS = (
    _Kind(0, "GET /items", Span.SPAN_KIND_SERVER, None, (0, 1)),
    _Kind(0, "POST /features", Span.SPAN_KIND_CLIENT, 0, (0.05, 0.95)),
    _Kind(1, "POST /features", Span.SPAN_KIND_SERVER, 1, (0.1, 0.9)),
    _Kind(1, "feature_extraction user_profile", Span.SPAN_KIND_INTERNAL, 2, (0.15, 0.85)),
    _Kind(1, "GET", Span.SPAN_KIND_CLIENT, 3, (0.2, 0.25)),
    _Kind(1, "POST /rank", Span.SPAN_KIND_CLIENT, 3, (0.3, 0.8)),
    _Kind(2, "POST /rank", Span.SPAN_KIND_SERVER, 5, (0.35, 0.75)),
    _Kind(2, "SELECT", Span.SPAN_KIND_CLIENT, 6, (0.4, 0.7)),
)
_FAILS = 7


def requests(spans: int, spans_per_request: int, skew_s: float, seed: int = 1) -> Iterator[Request]:
    """Yield requests in the order in which a fleet sends them.

    Args:
        spans: How many in all.
        spans_per_request: How many in each, or in the last of a service fewer.
        skew_s: Each service sends its part of a trace so long after the trace's end, at the most, at a random moment.
        seed: Of everything.
    """
    draw = random.Random(seed)
    bodies = _Bodies(draw)
    parts: list[tuple[float, int, bytes, bool, list[bytes]]] = []
    for number in range(spans // SPANS_PER_TRACE):
        ended_s = number * SPANS_PER_TRACE / SPANS_PER_S
        trace_id, remarkable, of_service = bodies.trace(ended_s)
        for service, encoded in enumerate(of_service):
            at_s = ended_s + (draw.random() * skew_s if skew_s else 0)
            parts.append((at_s, service, trace_id, remarkable == service, encoded))
    parts.sort(key=lambda part: part[0])
    making: list[_Making] = [_Making(frame) for frame in bodies.frames]
    together = _Making(b"") if not skew_s else None
    for _, service, trace_id, decides, encoded in parts:
        for position, span in enumerate(encoded):
            made = together or making[service]
            made.add(bodies.frames[service], span)
            # The root is the first of its service's spans, what fails the last.
            if decides and position == (len(encoded) - 1 if service else 0):
                made.decides.append(trace_id.hex())
            if not position and not service:
                made.ends.append(trace_id.hex())
            if made.spans == spans_per_request:
                yield made.take()
    for made in [together] if together else making:
        if made.spans:
            yield made.take()


class _Making:
    """A request in the making."""

    def __init__(self, frame: bytes) -> None:
        self._groups: dict[bytes, list[bytes]] = {}
        self.spans = 0
        self.decides: list[str] = []
        self.ends: list[str] = []

    def add(self, frame: bytes, span: bytes) -> None:
        self._groups.setdefault(frame, []).append(span)
        self.spans += 1

    def take(self) -> Request:
        payload = b"".join(
            delimited(1, frame + delimited(2, _SCOPE + b"".join(spans))) for frame, spans in self._groups.items()
        )
        made = Request(payload, self.spans, self.decides, self.ends)
        self._groups, self.spans, self.decides, self.ends = {}, 0, [], []
        return made


_SCOPE = ScopeSpans(scope=InstrumentationScope(name="fleet", version="1")).SerializeToString()


class _Bodies:
    """Makes traces."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self.frames = [_resource(service) for service in SERVICES]
        self._pools = [[_rest(kind, draw) for _ in range(_POOL)] for kind in _KINDS]

    def trace(self, ended_s: float) -> tuple[bytes, int, list[list[bytes]]]:
        """Return a trace's id, the service whose part makes it worth keeping (-1 for none), and its encoded spans by service."""
        draw = self._draw
        failed, slow = draw.random() < _FAILED_SHARE, draw.random() < _SLOW_SHARE
        trace_id = draw.getrandbits(128).to_bytes(16, "big")
        first = draw.getrandbits(56) << 8
        lasted = (draw.randrange(100, 900) if slow else draw.randrange(1, 90)) * _MS
        began = _BEGAN_NS + round(ended_s * 1_000 * _MS) - lasted
        found: list[list[bytes]] = [[] for _ in SERVICES]
        for number, kind in enumerate(_KINDS):
            head = b"\x0a\x10" + trace_id + b"\x12\x08" + (first + number).to_bytes(8, "big")
            if kind.parent is not None:
                head += b"\x22\x08" + (first + kind.parent).to_bytes(8, "big")
            begin, end = (began + int(lasted * share) for share in kind.share)
            rest = self._pools[number][draw.getrandbits(6)]
            failure = _FAILED if failed and number == _FAILS else b""
            found[kind.service].append(
                delimited(2, head + rest[0] + _TIMES.pack(0x39, begin, 0x41, end) + rest[1] + failure)
            )
        # The error is what the last service sends; that it was slow, the root tells.
        return trace_id, (2 if failed else 0 if slow else -1), found


def _resource(service: str) -> bytes:
    named = {
        "service.name": service,
        "service.version": "4.2.0",
        "host.name": f"{service}-7f9c",
        "telemetry.sdk.language": "python",
    }
    attributes = [_pair(key, value) for key, value in named.items()]
    return ResourceSpans(resource=Resource(attributes=attributes)).SerializeToString()


def _rest(kind: _Kind, draw: random.Random) -> tuple[bytes, bytes]:
    """Return the fields of a span before its times, and those after."""
    named = Span(name=kind.name, kind=kind.kind)  # type: ignore[arg-type]
    pairs = [_pair(key, value) for key, value in _attributes(kind, draw).items()]
    return named.SerializeToString(), Span(attributes=pairs).SerializeToString()


def _attributes(kind: _Kind, draw: random.Random) -> dict[str, str | bool | int | float]:
    if kind.name.startswith("feature_extraction"):
        hit = draw.random() < 0.8
        return {
            "feature_extraction.feature_set": "user_profile",
            "code.function.name": "shop.features.UserFeatures.extract",
            "feature_extraction.cache.hit": hit,
            "feature_extraction.cache.lookups": 1,
            "feature_extraction.cache.hits": int(hit),
            "feature_extraction.cache.time": draw.random() / 1000,
            "feature_extraction.pool.wait_time": draw.random() / 1000,
            "feature_extraction.pool.name": "postgresql://db/features",
            "feature_extraction.pool.in_use": 3,
            "feature_extraction.pool.size": 8,
            "feature_extraction.cpu.time": draw.random() / 100,
            "feature_extraction.cpu.utilization": draw.random(),
            "feature_extraction.memory.usage": 180_000_000,
            "feature_extraction.memory.growth": 0,
        }
    if kind.name in ("GET", "SELECT"):
        system = "redis" if kind.name == "GET" else "postgresql"
        return {
            "db.system": system,
            "db.statement": "SELECT features FROM users WHERE id = ?",
            "net.peer.name": "cache.internal",
        }
    return {
        "http.request.method": kind.name.split()[0],
        "http.route": kind.name.split()[1],
        "http.response.status_code": 503 if draw.random() < 0.002 else 200,
        "user.tier": draw.choice(("free", "silver", "gold")),
        "debug": False,
    }


def _pair(key: str, value: str | bool | int | float) -> KeyValue:  # noqa: FBT001, PYI041 each is another kind on the wire
    pair = KeyValue(key=key)
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    setattr(pair.value, kinds[type(value)], value)
    return pair
