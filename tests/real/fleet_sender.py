"""A service of a fleet, as a process of its own: the SDK's spans of traces that another service has a part in.

`python -m tests.real.fleet_sender '{"endpoint": …, "service": …, "traces": [first, last]}'`. Times, ids and attributes are those that
`part` says, so that the process that started it knows the counts to expect.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

MS = 1_000_000
SERVICES = ("front", "features")
"""Each makes one span of every trace: the request, and the extraction."""


@dataclass(frozen=True)
class Part:
    """A trace's properties, derived from its number."""

    trace_id: int
    failed: bool
    lasts_ns: int
    hit: bool

    @property
    def slow(self) -> bool:
        return self.lasts_ns >= 100 * MS

    @property
    def must_be_kept(self) -> bool:
        return self.failed or self.slow


def part(number: int) -> Part:
    """Return a trace: one of 20 fails, one takes 150 ms, one 100 ms and one 99 ms; seven of ten hit the cache; ids are as good as random."""
    digest = hashlib.sha256(f"fleet {number}".encode()).digest()
    lasts = {7: 150, 9: 100, 11: 99}.get(number % 20, 20) * MS
    return Part(int.from_bytes(digest[:16], "big"), number % 20 == 3, lasts, number % 10 < 7)


def send(endpoint: str, service: str, first: int, last: int) -> None:
    """Send one service's spans of the traces from `first` to before `last`."""
    provider = TracerProvider(resource=Resource({"service.name": service, "service.instance.id": service}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=1_000_000, schedule_delay_millis=100))
    tracer = provider.get_tracer("otel_fe")
    start = 1_800_000_000_000_000_000
    for number in range(first, last):
        made = part(number)
        parent = SpanContext(made.trace_id, 1 + number, is_remote=True, trace_flags=TraceFlags(1))
        context = trace.set_span_in_context(NonRecordingSpan(parent))
        extraction = service == "features"
        name = "feature_extraction shop" if extraction else "GET /features"
        attributes = {
            "feature_extraction.feature_set": "shop",
            "feature_extraction.cache.hit": made.hit,
            "feature_extraction.cache.lookups": 2,
            "feature_extraction.cache.hits": 2 if made.hit else 1,
            "feature_extraction.memory.growth": -4096,
            "feature_extraction.cpu.time": 0.004,
        }
        if made.failed:
            attributes["error.type"] = "ValueError"
        span = tracer.start_span(name, context, attributes=attributes if extraction else None, start_time=start)
        if made.failed and extraction:
            span.set_status(trace.StatusCode.ERROR)
        span.end(start + made.lasts_ns)
    assert provider.force_flush(60_000)
    provider.shutdown()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    send(order["endpoint"], order["service"], *order["traces"])
