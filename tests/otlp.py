"""OTLP as a test receives it from real processes, over a real socket."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from otel_fe.demo.receiver import Receiver


@dataclass(frozen=True)
class Seen:
    """A span, as much of it as tests look at."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    scope: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def is_extraction(self) -> bool:
        return self.name.startswith("feature_extraction")


class Otlp:
    """Everything received so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Seen] = []
        self.endpoint = ""

    @property
    def spans(self) -> list[Seen]:
        with self._lock:
            return list(self._spans)

    def receive(self, signal: str, message: Any) -> None:
        if signal != "traces":
            return
        found = [
            _seen(span, scoped.scope.name, attributes(resource.resource.attributes))
            for resource in message.resource_spans
            for scoped in resource.scope_spans
            for span in scoped.spans
        ]
        with self._lock:
            self._spans += found

    def trace(self, trace_id: str) -> list[Seen]:
        """Return the spans of a trace, in the order in which they began."""
        return sorted((one for one in self.spans if one.trace_id == trace_id), key=lambda one: one.start_ns)

    def until(self, condition: Any, timeout_s: float = 20) -> Any:
        """Wait until `condition(self)` is true, and return what it returned; fail with what there is after a while."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition(self)):
            assert time.monotonic() < deadline, [(one.name, one.trace_id) for one in self.spans]
            time.sleep(0.05)
        return found


@contextmanager
def receiving():
    """Receive OTLP over gRPC on a free port of this machine."""
    seen = Otlp()
    receiver = Receiver(seen.receive)
    receiver.start()
    seen.endpoint = receiver.endpoint
    try:
        yield seen
    finally:
        receiver.stop()


def ancestors(span: Seen, trace: list[Seen]) -> list[str]:
    """Return the names of a span's ancestors, the nearest first."""
    by_id = {one.span_id: one for one in trace}
    found = []
    while (span := by_id.get(span.parent_id)) is not None:
        found.append(span.name)
    return found


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}


def _seen(span: Any, scope: str, resource: dict[str, Any]) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.kind,
        scope,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        attributes(span.attributes),
        resource,
    )
