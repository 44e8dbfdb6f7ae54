from __future__ import annotations

from otel_fe import semconv
from otel_fe.model.edges import EDGES
from otel_fe.pipeline import extraction_series


def test_edges_are_those_that_the_histograms_count_by():
    """The exported edges equal the histograms' integers in the metrics' units."""
    assert [edge * 10**9 for edge in EDGES[semconv.DURATION]] == list(extraction_series.DURATION_EDGES_NS)
    assert [edge * 10**9 for edge in EDGES[semconv.CPU_TIME_METRIC]] == list(extraction_series.TIME_EDGES_NS)
    assert EDGES[semconv.POOL_WAIT_METRIC] == EDGES[semconv.CPU_TIME_METRIC]
    assert list(EDGES[semconv.MEMORY_GROWTH_METRIC]) == list(extraction_series.MEMORY_EDGES)
