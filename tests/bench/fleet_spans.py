"""The usual traces of a fleet, over three services.

    gateway    GET /items (SERVER, the root) ── POST /features (CLIENT)
    features       POST /features (SERVER) ── feature_extraction user_profile (14 attributes) ── GET (Redis), POST /rank (CLIENT)
    rank               POST /rank (SERVER) ── SELECT (PostgreSQL)

A hundredth of the traces fails, in the last service; a hundredth is slow. Spans are put together from fields that were encoded
once, since a million of them are made before the clock starts. Other contents (`fleet_contents.py`) differ in what these are made of.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from otel_fe.wire.fields import delimited

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    Values = Mapping[str, str | bool | int | float]

SERVICES = ("gateway", "features", "rank")
SPANS_PER_TRACE = 8
MS = 1_000_000
_BEGAN_NS = 1_790_000_000_000_000_000
POOL = 64
"""How many sets of attributes there are of each kind of span."""
FAILED_SHARE = SLOW_SHARE = 0.01
_TIMES = struct.Struct("<BQBQ")
FAILED = delimited(15, Status(code=Status.STATUS_CODE_ERROR).SerializeToString())


@dataclass(slots=True)
class Part:
    """The spans that one service sends of a trace, in one go."""

    sender: int
    """Whose requests they are in."""
    frame: bytes
    """Their resource: a `ResourceSpans` without its scopes."""
    trace_id: bytes
    spans: list[bytes]
    """As fields of a `ScopeSpans`."""
    decides: int | None = None
    """Which of the spans is an error or a slow root, and so makes the trace worth keeping."""
    has_root: bool = False
    """Whether the first span is the root."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of a trace's spans."""

    service: int
    name: str
    kind: int
    parent: int | None
    """Which of the trace's spans."""
    share: tuple[float, float]
    """Where in the trace's time it begins and ends."""


KINDS = (
    Kind(0, "GET /items", Span.SPAN_KIND_SERVER, None, (0, 1)),
    Kind(0, "POST /features", Span.SPAN_KIND_CLIENT, 0, (0.05, 0.95)),
    Kind(1, "POST /features", Span.SPAN_KIND_SERVER, 1, (0.1, 0.9)),
    Kind(1, "feature_extraction user_profile", Span.SPAN_KIND_INTERNAL, 2, (0.15, 0.85)),
    Kind(1, "GET", Span.SPAN_KIND_CLIENT, 3, (0.2, 0.25)),
    Kind(1, "POST /rank", Span.SPAN_KIND_CLIENT, 3, (0.3, 0.8)),
    Kind(2, "POST /rank", Span.SPAN_KIND_SERVER, 5, (0.35, 0.75)),
    Kind(2, "SELECT", Span.SPAN_KIND_CLIENT, 6, (0.4, 0.7)),
)
_FAILS = 7


class Traces:
    """Makes traces."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.frames = [resource(described(service)) for service in SERVICES]
        self.pools = [[self.fields(kind) for _ in range(POOL)] for kind in KINDS]

    def trace(self, ended_s: float) -> list[Part]:
        """Return the parts of a trace, by service."""
        draw = self.draw
        failed, slow = draw.random() < FAILED_SHARE, draw.random() < SLOW_SHARE
        trace_id = draw.getrandbits(128).to_bytes(16, "big")
        first = draw.getrandbits(56) << 8
        began, lasted = self.times_ns(ended_s, slow=slow)
        parts = [Part(service, self.frame(service), trace_id, []) for service in range(len(SERVICES))]
        parts[0].has_root = True
        for number, kind in enumerate(KINDS):
            head = b"\x0a\x10" + trace_id + b"\x12\x08" + (first + number).to_bytes(8, "big")
            if kind.parent is not None:
                head += b"\x22\x08" + (first + kind.parent).to_bytes(8, "big")
            head = head[:28] + self.state() + head[28:]
            begin, end = (began + int(lasted * share) for share in kind.share)
            fields = self.pools[number][draw.getrandbits(6)]
            own = self.also(kind) + (FAILED if failed and number == _FAILS else b"")
            parts[kind.service].spans.append(timed(head, fields, begin, end, own))
        # The error is what the last service sends; that it was slow, the root tells.
        if failed:
            parts[2].decides = len(parts[2].spans) - 1
        elif slow:
            parts[0].decides = 0
        return parts

    def times_ns(self, ended_s: float, *, slow: bool) -> tuple[int, int]:
        """Return when a trace began, and how long it lasted."""
        lasted = (self.draw.randrange(100, 900) if slow else self.draw.randrange(1, 90)) * MS
        return _BEGAN_NS + round(ended_s * 1_000 * MS) - lasted, lasted

    def frame(self, service: int) -> bytes:
        """Return the resource of a service's part of a trace."""
        return self.frames[service]

    def fields(self, kind: Kind) -> tuple[bytes, bytes]:
        """Return the fields of a span before its times, and those after: one of the pool."""
        named = Span(name=kind.name, kind=kind.kind)  # type: ignore[arg-type]
        pairs = [pair(key, value) for key, value in attributes_of(kind, self.draw).items()]
        return named.SerializeToString(), Span(attributes=pairs).SerializeToString()

    def state(self) -> bytes:
        """Return a span's `tracestate`, as a field."""
        return b""

    def also(self, kind: Kind) -> bytes:  # noqa: ARG002 other contents look at it
        """Return more fields, which each span has of its own."""
        return b""


def timed(head: bytes, fields: tuple[bytes, bytes], begin_ns: int, end_ns: int, own: bytes = b"") -> bytes:
    """Return a span as a field of a `ScopeSpans`: its ids, its fields before its times and those after, and more of its own."""
    return delimited(2, head + fields[0] + _TIMES.pack(0x39, begin_ns, 0x41, end_ns) + fields[1] + own)


def described(service: str) -> Values:
    """Return the resource attributes of a service."""
    return {
        "service.name": service,
        "service.version": "4.2.0",
        "host.name": f"{service}-7f9c",
        "telemetry.sdk.language": "python",
    }


def resource(attributes: Values) -> bytes:
    """Return a `ResourceSpans` without scopes."""
    pairs = [pair(key, value) for key, value in attributes.items()]
    return ResourceSpans(resource=Resource(attributes=pairs)).SerializeToString()


def attributes_of(kind: Kind, draw: random.Random) -> Values:
    """Return attributes as an instrumentation of today sets them."""
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


def pair(key: str, value: str | bool | int | float) -> KeyValue:  # noqa: FBT001, PYI041 each is another kind on the wire
    """Return an attribute."""
    made = KeyValue(key=key)
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    setattr(made.value, kinds[type(value)], value)
    return made
