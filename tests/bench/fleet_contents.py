"""What else a fleet sends: traces that differ from the usual ones (`fleet_spans.py`) in one thing each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_fe.wire.fields import delimited
from tests.bench.fleet_spans import (
    FAILED,
    FAILED_SHARE,
    KINDS,
    POOL,
    SERVICES,
    SLOW_SHARE,
    Kind,
    Part,
    Traces,
    attributes_of,
    described,
    pair,
    resource,
    timed,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LONG_SPANS = 5_000
"""Of a long trace; as many traces of one span come with it."""
_LONG_PART = 100
_STACK_BYTES = 8_192
_WORDS = (
    "user",
    "order",
    "item",
    "price",
    "features",
    "score",
    "ranking",
    "model",
    "session",
    "region",
    "joined",
    "hash",
)


class UniqueTraces(Traces):
    """Each span has its own user, target with ids, thread, and statement with literals: no two have equal attributes."""

    def fields(self, kind: Kind) -> tuple[bytes, bytes]:
        """Return fields without the statement that all have."""
        named = Span(name=kind.name, kind=kind.kind)  # type: ignore[arg-type]
        values = attributes_of(kind, self.draw)
        pairs = [pair(key, value) for key, value in values.items() if key != "db.statement"]
        return named.SerializeToString(), Span(attributes=pairs).SerializeToString()

    def also(self, kind: Kind) -> bytes:
        """Return the span's own attributes."""
        drawn = self.draw.getrandbits(96)
        user, session, thread = drawn & 0xFFFFFFFF, drawn >> 32, drawn % 9_973
        own = _text("user.id", f"u-{user:08x}") + delimited(9, pair("thread.id", thread).SerializeToString())
        if kind.name in ("GET", "SELECT"):
            statement = f"SELECT features FROM users WHERE id = {user} AND session = '{session:016x}' LIMIT {thread}"
            return own + _text("db.statement", statement)
        return own + _text("http.target", f"/users/{user}/items/{thread}?session={session:016x}")


class LargeTraces(Traces):
    """Spans of 40 attributes, lists and maps among them, a statement of 2 to 4 KiB, a link, and in one of eight an exception."""

    def fields(self, kind: Kind) -> tuple[bytes, bytes]:
        """Return the usual attributes, and all these."""
        draw = self.draw
        named = Span(name=kind.name, kind=kind.kind)  # type: ignore[arg-type]
        values = {**attributes_of(kind, draw), "db.statement": "SELECT " + _words(draw, draw.randrange(2_048, 4_096))}
        pairs = [pair(key, value) for key, value in values.items()]
        pairs.append(KeyValue(key="app.flags", value=_list_value([_words(draw, 12) for _ in range(6)])))
        pairs.append(KeyValue(key="app.context", value=_nested_value(draw, 3)))
        pairs += [pair(f"app.field.{number}", _words(draw, 24)) for number in range(40 - len(pairs))]
        linked = Span.Link(trace_id=draw.randbytes(16), span_id=draw.randbytes(8), attributes=[pair("kind", "retry")])
        after = Span(attributes=pairs, links=[linked])
        if draw.random() < 1 / 8:
            frames = _words(draw, _STACK_BYTES).replace(" score ", "\n  File ")
            thrown = {"exception.type": "ValueError", "exception.message": "no rank", "exception.stacktrace": frames}
            after.events.add(name="exception", time_unix_nano=1, attributes=[pair(k, v) for k, v in thrown.items()])
        return named.SerializeToString(), after.SerializeToString()


class PodTraces(Traces):
    """Each service runs in many pods, each of which has 20 attributes of Kubernetes on its resource.

    Args:
        draw: Of everything.
        pods: Of all services together.
    """

    def __init__(self, draw: random.Random, pods: int) -> None:
        super().__init__(draw)
        self._pods = [
            [resource({**described(service), **_kubernetes(service, draw)}) for _ in range(pods // len(SERVICES))]
            for service in SERVICES
        ]

    def frame(self, service: int) -> bytes:
        """Return the resource of any of the service's pods."""
        return self.draw.choice(self._pods[service])


class LongTraces(Traces):
    """A trace of 5 000 spans, which its service sends by the hundred, and then as many health checks of one span."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__(draw)
        self._check = Kind(0, "GET /healthz", Span.SPAN_KIND_SERVER, None, (0, 1))
        self._checks = [self.fields(self._check) for _ in range(POOL)]
        self._checks_left = 0

    def trace(self, ended_s: float) -> list[Part]:
        """Return the parts of the next trace."""
        draw = self.draw
        failed, slow = draw.random() < FAILED_SHARE, draw.random() < SLOW_SHARE
        began, lasted = self.times_ns(ended_s, slow=slow)
        trace_id, first = draw.randbytes(16), draw.getrandbits(48) << 16
        head = b"\x0a\x10" + trace_id + b"\x12\x08" + first.to_bytes(8, "big")
        if self._checks_left:
            self._checks_left -= 1
            span = timed(head, draw.choice(self._checks), began, began + lasted, FAILED if failed else b"")
            return [Part(0, self.frames[0], trace_id, [span], 0 if failed or slow else None, has_root=True)]
        self._checks_left = LONG_SPANS
        root = timed(head, draw.choice(self.pools[0]), began, began + lasted, FAILED if failed else b"")
        spans = [root, *(self._child(trace_id, first, number, began) for number in range(1, LONG_SPANS))]
        parts = [Part(1, self.frames[1], trace_id, spans[i : i + _LONG_PART]) for i in range(0, LONG_SPANS, _LONG_PART)]
        parts[0].decides, parts[0].has_root = 0 if failed or slow else None, True
        return parts

    def _child(self, trace_id: bytes, first: int, number: int, began: int) -> bytes:
        head = b"\x0a\x10" + trace_id + b"\x12\x08" + (first + number).to_bytes(8, "big")
        head += b"\x22\x08" + first.to_bytes(8, "big")
        return timed(head, self.draw.choice(self.pools[number % len(KINDS)]), began, began + 500_000)


class OddTraces(Traces):
    """A vendor's `tracestate` on each span, dropped counts, ends that are missing, and values of types that nobody expects."""

    def fields(self, kind: Kind) -> tuple[bytes, bytes]:
        """Return the usual attributes, and odd ones."""
        before, _ = super().fields(kind)
        draw = self.draw
        pairs = [pair(key, value) for key, value in attributes_of(kind, draw).items()]
        pairs += [pair("error.type", draw.choice((0, 500, 503))), pair("empty", ""), KeyValue(key="absent")]
        pairs.append(KeyValue(key="numbers", value=AnyValue(bytes_value=draw.randbytes(16))))
        dropped = {"dropped_attributes_count": 300, "dropped_events_count": 1_000, "dropped_links_count": 2}
        return before, Span(attributes=pairs, **dropped).SerializeToString()  # type: ignore[arg-type]

    def state(self) -> bytes:
        """Return an entry of a vendor, which differs in each span."""
        return delimited(3, f"dd=s:1;p:{self.draw.getrandbits(64):016x}".encode())


CONTENTS: dict[str, Callable[[random.Random], Traces]] = {
    "usual": Traces,
    "unique": UniqueTraces,
    "large": LargeTraces,
    "gateway": lambda draw: PodTraces(draw, 200),
    "pods": lambda draw: PodTraces(draw, 1_000),
    "long": LongTraces,
    "odd": OddTraces,
}


def _text(key: str, value: str) -> bytes:
    """Return an attribute as a field of a span."""
    return delimited(9, delimited(1, key.encode()) + delimited(2, delimited(1, value.encode())))


def _words(draw: random.Random, size: int) -> str:
    words = " ".join(draw.choices(_WORDS, k=size // 4))
    return f"{draw.getrandbits(32):08x} {words}"[:size]


def _list_value(values: list[str]) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=value) for value in values]))


def _nested_value(draw: random.Random, depth: int) -> AnyValue:
    pairs = [pair(word, draw.getrandbits(16)) for word in draw.sample(_WORDS, 3)]
    if depth:
        pairs.append(KeyValue(key="inner", value=_nested_value(draw, depth - 1)))
    return AnyValue(kvlist_value=KeyValueList(values=pairs))


def _kubernetes(service: str, draw: random.Random) -> dict[str, str | int]:
    named = f"{service}-{draw.getrandbits(40):010x}"
    node = f"ip-10-0-{draw.randrange(64)}-{draw.randrange(256)}.ec2.internal"
    labels = {f"k8s.pod.label.{label}": f"{service}-{label}" for label in ("app", "team", "tier", "chart", "release")}
    return {
        "k8s.cluster.name": "production-eu-1",
        "k8s.cluster.uid": "1f0e3c1a-7bde-4c9f-9f5e-3f4f4f0c2a11",
        "k8s.namespace.name": "shop",
        "k8s.deployment.name": service,
        "k8s.deployment.uid": "7d1f0e3c-5b7d-4e4c-8f9f-2a5e3f4f4f0c",
        "k8s.replicaset.name": f"{service}-7f9c",
        "k8s.replicaset.uid": "aa1f0e3c-5b7d-4e4c-8f9f-2a5e3f4f4f0c",
        "k8s.pod.name": named,
        "k8s.pod.uid": f"{draw.getrandbits(128):032x}",
        "k8s.pod.ip": f"10.1.{draw.randrange(256)}.{draw.randrange(256)}",
        "k8s.pod.start_time": "2026-09-21T10:00:00Z",
        "k8s.container.name": "main",
        "k8s.container.restart_count": draw.randrange(3),
        "k8s.node.name": node,
        "k8s.node.uid": f"{draw.getrandbits(128):032x}",
        **labels,
    }
