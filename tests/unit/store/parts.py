"""Builders for the store's tests."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_fe.model.metric import Buckets, Metric, Point, ResourceMetrics
from otel_fe.store.database import make_directory
from otel_fe.store.inbox import Item
from otel_fe.store.kept import KeptExtraction, KeptTrace
from otel_fe.store.limits import StoreLimits
from otel_fe.store.reader import StoreReader
from otel_fe.store.session import Session
from otel_fe.store.settled_time import SettledTime
from otel_fe.store.slots import SPLIT_CAUSES
from otel_fe.testing import FakeClock

NS = 1_000_000_000
MINUTE = 60 * NS
HOUR = 60 * MINUTE
T0 = 1_700_002_800 * NS
"""A full hour."""
SPLIT = SPLIT_CAUSES


class Bed:
    """A store without its thread: what is written is there when the call returns."""

    def __init__(self, directory, limits=None, clock=None):
        self.clock = clock or FakeClock(T0)
        self.limits = limits or StoreLimits()
        self.tally = Counter()
        self.directory = directory
        make_directory(directory)
        self._open()
        self.reader = StoreReader(directory)

    def write(self, kind, *contents):
        return self.session.write([Item(kind, content, 0) for content in contents], self.clock.time_ns())

    def points(self, *metrics):
        return self.write("metrics", list(metrics))

    def tidy(self):
        steps = 0
        retention = self.session.retention
        while retention.redate(self.clock.time_ns() // NS) or retention.step(self.settled.now_s()):
            steps += 1
            assert steps < 10_000
        return steps

    def reopen(self):
        self.session.close()
        self._open()

    def _open(self):
        self.session = Session(self.directory, self.limits, self.tally, self.clock.time_ns())
        self.settled = SettledTime(self.clock, self.session.retention.newest_s())

    def close(self):
        self.reader.close()
        self.session.close()


@contextmanager
def bed(directory, limits=None, clock=None):
    """Yield a store in a directory."""
    made = Bed(directory, limits, clock)
    try:
        yield made
    finally:
        made.close()


def extraction(start_ns=T0, duration_ns=50_000_000, **more):
    """Return an extraction whose time is split somehow."""
    fields = {"span_id": 7, "service": "shop", "feature_set": "user", "cause": "cpu"} | more
    split = dict.fromkeys(SPLIT, 0) | {"cpu": duration_ns}
    return KeptExtraction(start_ns=start_ns, duration_ns=duration_ns, **({"split": split} | fields))


def trace(trace_id=1, *extractions, weight=1.0, policy="slow", spans=b"", **more):
    """Return a trace with extractions, or with one that is just any."""
    found = extractions or (extraction(),)
    fields = {"root": "GET /", "service": "shop", "error": False, "span_count": 1, "logs": b"", "record": None} | more
    start = min(item.start_ns for item in found)
    end = max(item.start_ns + item.duration_ns for item in found)
    return KeptTrace(
        trace_id=trace_id,
        start_ns=start,
        end_ns=end,
        policy=policy,
        weight=weight,
        spans=spans,
        extractions=found,
        **fields,
    )


def otlp(*spans, resource=None):
    """Return an encoded request of spans, each (trace id, span id, parent id, name, attributes)."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs(resource or {"service.name": "shop"}))
    scoped = group.scope_spans.add()
    for trace_id, span_id, parent_id, name, attributes in spans:
        scoped.spans.add(
            trace_id=trace_id.to_bytes(16, "big"),
            span_id=span_id.to_bytes(8, "big"),
            parent_span_id=parent_id.to_bytes(8, "big") if parent_id else b"",
            name=name,
            kind=1,
            start_time_unix_nano=T0,
            end_time_unix_nano=T0 + 250_000_000,
            attributes=pairs(attributes),
        )
    return request.SerializeToString()


def pairs(attributes):
    """Return attributes as OTLP has them."""
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return [KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value})) for key, value in attributes.items()]


def counter(value, time_ns, start_ns=T0, *, name="things", delta=False, process="a", service="shop", **labels):
    """Return one point of a counter, as the pipeline hands it out."""
    point = Point(labels, start_ns, time_ns, value)
    resource = {"service.name": service, "service.instance.id": process}
    return ResourceMetrics(resource, "otel_fe", (Metric(name, "{thing}", delta, (point,)),))


def histogram(counts, time_ns, start_ns=T0, *, total=0.0, edges=(0.05, 0.1, 0.2), name="took", delta=False, **labels):
    """Return one point of a histogram in seconds."""
    value = Buckets(sum(counts), total, edges, tuple(counts))
    metric = Metric(name, "s", delta, (Point(labels, start_ns, time_ns, value),))
    return ResourceMetrics({"service.name": "shop"}, "otel_fe", (metric,))
