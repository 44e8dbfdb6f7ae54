"""The exported metrics that the store takes: those of extractions and of pools, and no others."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from otel_fe import semconv
from otel_fe.collector.store_sink import StoreSink
from otel_fe.store import Store, StoreReader


def payload(name):
    """Return an export of one counter."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    metric = resource.scope_metrics.add().metrics.add(name=name, unit="1")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 1
    metric.sum.data_points.add(
        as_int=1, start_time_unix_nano=1_700_000_000 * 10**9, time_unix_nano=1_700_000_060 * 10**9
    )
    return request.SerializeToString()


@pytest.mark.parametrize(
    ("name", "kept"),
    [(semconv.SLO_EVENTS, True), (semconv.CONNECTION_TIMEOUTS, True), ("http.server.requests", False)],
)
def test_metrics_of_extractions_and_of_pools_are_kept(tmp_path, name, kept):
    """A pool's come alone where the process derives nothing itself."""
    store = Store(tmp_path)
    StoreSink(store, store.counters).exported(payload(name))
    assert store.flush()
    store.close()
    with StoreReader(tmp_path) as reader:
        assert bool(reader.series.keys(name)) == kept


def test_alerts_that_a_process_logs_reach_the_store_through_the_pipelines(tmp_path):
    """Whatever else happens to the logs; a file that cannot be written is logged once, and the request is taken all the same."""
    import logging
    import threading

    from otel_fe.clock import SystemClock
    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.graph.parts import Parts, Route
    from otel_fe.store.reported_alerts import FILE_NAME, ReportedAlerts
    from otel_fe.testing import FakeClock
    from tests.unit.alerting.test_message import made
    from tests.unit.store.test_reported_alerts import NOW, exported

    with Store(tmp_path / "store") as store:
        sink = StoreSink(store, store.counters, FakeClock(NOW))
        parts = Parts(
            routes={"otlp": {"logs": Route()}}, sampled=[], plain=[], connectors={}, metrics_of={}, derived=None, own_metrics_to=[],
            exporters={}, keeps_all=True,
        )  # fmt: skip
        graph = PipelineGraph(parts, SystemClock(), threading.Lock(), observer=sink)
        accepted, _ = graph.take("otlp", "logs", exported(made()))
        assert accepted == 1
        (found,) = ReportedAlerts(store.directory).firing()
        assert found.cause == "downstream"
        (store.directory / FILE_NAME).write_bytes(b"no database")
        records = []
        handler = logging.Handler()
        handler.emit = records.append
        logging.getLogger("otel_fe").addHandler(handler)
        try:
            for _ in range(2):
                assert graph.take("otlp", "logs", exported(made()))[0] == 1
        finally:
            logging.getLogger("otel_fe").removeHandler(handler)
        assert ["cannot be stored" in one.getMessage() for one in records] == [True]
