"""Changes that the store finds in what it is given, and keeps."""

from __future__ import annotations

import sqlite3

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_fe import autopilot_event, semconv
from otel_fe.store import marks
from otel_fe.store.database import FILE_NAME
from otel_fe.store.marks import resources_in
from otel_fe.store.schema import MARKS_SINCE, MIGRATIONS, migrate
from otel_fe.testing import FakeClock
from tests.unit.store.parts import HOUR, NS, T0, bed, extraction, otlp, pairs, trace

EVER = (0, 1 << 62)


def kept(number, time_ns, version="1", instance="a", pool=None):
    """Return a kept trace of one process at a time."""
    attributes = {} if pool is None else {semconv.POOL_NAME: "postgresql://db", semconv.POOL_SIZE: pool}
    resource = {"service.name": "shop", "service.version": version, "service.instance.id": instance}
    spans = otlp((number, 7, 0, "feature_extraction", attributes), resource=resource)
    moved = spans.replace(T0.to_bytes(8, "little"), time_ns.to_bytes(8, "little"))
    assert moved != spans or time_ns == T0
    return trace(number, extraction(time_ns), spans=moved)


def test_versions_restarts_and_pools_are_marked(tmp_path):
    clock = FakeClock(T0 + HOUR)
    with bed(tmp_path / "store", clock=clock) as made:
        made.write("trace", kept(1, T0, pool=2), kept(2, T0 + 1, pool=2))
        for number, more in ((3, {"version": "2", "instance": "b"}), (4, {"version": "2", "instance": "b", "pool": 5})):
            clock.advance(10)
            made.write("trace", kept(number, T0 + number * 600_000_000_000, **more))
        found = made.reader.marks.find(*EVER)
        assert [(one.kind, one.subject, one.before, one.after) for one in found] == [
            ("version", "", "1", "2"),
            ("pool_size", "postgresql://db", "2", "5"),
        ]
        assert [one.time_ns for one in found] == [T0 + n * 600_000_000_000 for n in (3, 4)]
        assert made.reader.marks.find(T0, T0 + HOUR, "another") == []


def test_a_store_that_is_opened_again_knows_what_there_was(tmp_path):
    with bed(tmp_path / "store", clock=FakeClock(T0 + HOUR)) as made:
        made.write("trace", kept(1, T0))
    with bed(tmp_path / "store", clock=FakeClock(T0 + 2 * HOUR)) as made:
        made.write("trace", kept(2, T0 + HOUR), kept(3, T0 + HOUR, "2", "b"))
        assert [(one.before, one.after) for one in made.reader.marks.find(*EVER)] == [("1", "2")]


def test_pool_sizes_come_with_metrics_too(tmp_path):
    def metric(size, name=semconv.CONNECTION_MAX, **labels):
        request = ExportMetricsServiceRequest()
        group = request.resource_metrics.add()
        group.resource.attributes.extend(pairs({"service.name": "shop", "service.instance.id": "a"}))
        told = group.scope_metrics.add().metrics.add(name=name, unit="{connection}")
        point = told.gauge.data_points.add(time_unix_nano=T0 + size * HOUR, as_int=size)
        point.attributes.extend(pairs(labels or {semconv.POOL: "redis://cache"}))
        return request.SerializeToString()

    with bed(tmp_path / "store", clock=FakeClock(T0 + 9 * HOUR)) as made:
        made.write("metrics", metric(2), metric(4))
        found = made.reader.marks.find(*EVER)
        assert [(one.kind, one.subject, one.before, one.after) for one in found] == [
            ("pool_size", "redis://cache", "2", "4")
        ]
        step = {
            autopilot_event.RESOURCE: "redis://cache", autopilot_event.FROM: 4, autopilot_event.TO: 8,
            autopilot_event.OUTCOME: "kept", autopilot_event.PREDICTED: -8.0, autopilot_event.MEASURED: -7.1,
            autopilot_event.TIME: T0 / 1e9 + 60,
        }  # fmt: skip
        for _ in range(2):  # a gauge is exported again and again
            made.write("metrics", metric(8, autopilot_event.STEP, **step))
        found = [one for one in made.reader.marks.find(*EVER) if one.kind == "autopilot"]
        assert [(one.before, one.after, one.detail["predicted"], one.detail["outcome"]) for one in found] == [
            ("4", "8", -8.0, "kept")
        ]
        assert found[0].title == "autopilot: redis://cache 4 → 8 (kept)"
        assert not made.reader.series.keys(autopilot_event.STEP)


def test_files_of_earlier_versions_have_none_and_are_brought_up(tmp_path):
    (tmp_path / "store").mkdir()
    path = tmp_path / "store" / FILE_NAME
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, MIGRATIONS[: MARKS_SINCE - 1])
    connection.close()
    from otel_fe.store import StoreReader  # noqa: PLC0415 beside the file that it reads

    with StoreReader(tmp_path / "store") as reader:
        assert reader.marks.find(*EVER) == []
    with bed(tmp_path / "store", clock=FakeClock(T0)) as made:
        made.write("trace", kept(1, T0), kept(2, T0 + HOUR, "2", "b"))
        assert len(made.reader.marks.find(*EVER)) == 1


def test_rubbish_for_spans_is_stored_and_marks_nothing(tmp_path):
    with bed(tmp_path / "store", clock=FakeClock(T0)) as made:
        for number, spans in enumerate(
            (b"\x0a\xff\xff", b"\x0a", b"\x0a\x05\x0a\xff\xff\xff\xff", b"\x00\x01", b"\xff" * 50), 1
        ):
            made.write("trace", trace(number, spans=spans))
            list(resources_in(spans))
        assert made.reader.marks.find(*EVER) == []
        assert made.reader.traces.by_id(5) is not None


def test_each_process_is_looked_at_once_in_five_seconds(tmp_path, monkeypatch):
    """Five seconds are by the time of the traces, which come out of order: those kept early overtake those that wait."""
    looks = []
    monkeypatch.setattr(marks, "seen_in", lambda spans: looks.append(spans) or ())
    with bed(tmp_path / "store", clock=FakeClock(T0 + HOUR)) as made:
        for number in range(40):
            made.write("trace", kept(number + 1, T0 + (number % 2) * 30 * NS + number))
        assert len(looks) == 2
        made.write("trace", kept(100, T0 + 31 * NS, instance="b"))
        assert len(looks) == 3
