"""The calls of extractions, read from the spans of kept traces."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe.store import Selection
from tests.unit.store.parts import MINUTE, T0, bed, extraction, pairs, trace

ALL = Selection(T0 - 60 * MINUTE, T0 + 60 * MINUTE)
MS = 1_000_000


@pytest.fixture
def store(tmp_path):
    with bed(tmp_path) as made:
        yield made


def encoded(trace_id, *spans):
    """Return an encoded trace; spans are (span id, parent id, kind, name, ms, attributes)."""
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    for span_id, parent_id, kind, name, ms, attributes in spans:
        scoped.spans.add(
            trace_id=trace_id.to_bytes(16, "big"), span_id=span_id.to_bytes(8, "big"), parent_span_id=parent_id.to_bytes(8, "big"),
            kind=kind, name=name, start_time_unix_nano=T0, end_time_unix_nano=T0 + ms * MS, attributes=pairs(attributes),
        )  # fmt: skip
    return request.SerializeToString()


def test_calls_below_extractions_add_up_by_name_and_weight(store):
    """Calls count at any depth below the extraction; spans beside it, and internal ones, are not its calls."""
    sql = {"db.statement": "SELECT a FROM transactions WHERE user = ?", "db.system": "postgresql"}
    spans = encoded(
        3,
        (7, 1, 1, "feature_extraction x", 120, {}),
        (8, 7, 1, "load", 100, {}),
        (9, 8, 3, "SELECT", 60, sql),
        (10, 8, 3, "SELECT", 30, sql),
        (11, 7, 3, "GET", 1, {"db.system.name": "redis"}),
        (12, 7, 3, "POST", 4, {"server.address": "models"}),
        (13, 1, 3, "SELECT", 500, sql),
    )
    store.write("trace", trace(3, extraction(span_id=7), weight=2.0, spans=spans))
    found = store.reader.call_totals(ALL)
    assert [(one.name, one.time_ns / MS, one.calls) for one in found] == [
        ("SELECT … transactions", 180.0, 4.0),
        ("POST models", 8.0, 2.0),
        ("GET (redis)", 2.0, 2.0),
    ]


def test_circles_end_and_unreadable_traces_have_no_calls(store):
    """A cycle of parents, which a sender may produce, does not loop; unreadable traces have no calls."""
    circle = encoded(3, (7, 8, 1, "feature_extraction x", 9, {}), (8, 7, 3, "GET", 5, {}))
    store.write("trace", trace(3, extraction(span_id=7), spans=circle))
    store.write("trace", trace(4, extraction(span_id=7), spans=b"\xff\xff"))
    assert [(one.name, one.calls) for one in store.reader.call_totals(ALL)] == [("GET", 1.0)]
