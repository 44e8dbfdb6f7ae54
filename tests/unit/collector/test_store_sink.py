"""What goes into the store of metrics that processes export: those of extractions and of pools, and no others."""

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
