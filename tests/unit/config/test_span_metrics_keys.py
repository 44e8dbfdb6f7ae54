from __future__ import annotations

import pytest

from otel_fe.config.span_metrics import Dimension, Exemplars, Explicit, Exponential, SpanMetrics
from otel_fe.config.span_metrics_keys import SPAN_METRICS
from tests.unit.config.reads import read, read_reporting

MS = 1_000_000


def test_defaults():
    """An empty section is the Collector's default."""
    assert read(SPAN_METRICS, "{}") == SpanMetrics()
    assert read(SPAN_METRICS, "{histogram: {explicit: }, exemplars: , events: {}}") == SpanMetrics()


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("{histogram: {disable: true}}", "histogram", None),
        ("{histogram: {unit: S}}", "unit", "s"),
        ("{histogram: {explicit: {buckets: [1ms, 1s]}}}", "histogram", Explicit((MS, 1000 * MS))),
        ("{histogram: {exponential: {}}}", "histogram", Exponential(160)),
        ("{histogram: {exponential: {max_size: 10}}}", "histogram", Exponential(10)),
        ("{histogram: {exponential: {enabled: false}}}", "histogram", Explicit()),
        ("{histogram: {dimensions: [{name: a}]}}", "histogram_dimensions", (Dimension("a"),)),
        (
            "{dimensions: [{name: a, default: ''}, {glob: b.*}]}",
            "dimensions",
            (Dimension("a", ""), Dimension("", None, "b.*")),
        ),
        ("{calls_dimensions: [{name: a}]}", "calls_dimensions", (Dimension("a"),)),
        ("{exclude_dimensions: [span.kind]}", "exclude_dimensions", frozenset({"span.kind"})),
        ("{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}", "delta", True),
        ("{aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE}", "delta", False),
        ("{metrics_flush_interval: 5s}", "flush_interval_ns", 5000 * MS),
        ("{metrics_expiration: 5s}", "expiration_ns", 5000 * MS),
        ("{series_expiration: 5s}", "series_expiration_ns", 5000 * MS),
        ("{namespace: ''}", "namespace", ""),
        ("{exemplars: {enabled: true, max_per_data_point: 0}}", "exemplars", Exemplars(True, 0)),
        ("{events: {enabled: true, dimensions: [{name: a}]}}", "event_dimensions", (Dimension("a"),)),
        ("{resource_metrics_cache_size: 5}", "resource_cache_size", 5),
        ("{resource_metrics_key_attributes: service.name}", "resource_key_attributes", ("service.name",)),
        ("{include_instrumentation_scope: [a]}", "include_instrumentation_scope", ("a",)),
        ("{aggregation_cardinality_limit: 7}", "cardinality_limit", 7),
        ("{add_resource_attributes: true}", "add_resource_attributes", True),
        ("{enable_metrics_sampling_method: true}", "sampling_method", True),
    ],
)
def test_keys(text, field, value):
    """Each key sets its field."""
    assert getattr(read(SPAN_METRICS, text), field) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{aggregation_temporality: DELTA}", "use AGGREGATION_TEMPORALITY_CUMULATIVE or AGGREGATION_TEMPORALITY_DELTA"),
        ("{histogram: {explicit: {buckets: [1s, 1s]}}}", "[1]: 1s: use edges in ascending order; the one before is 1s"),
        ("{histogram: {explicit: {buckets: []}}}", "buckets: use a list of durations"),
        ("{histogram: {explicit: {}}}", "give buckets"),
        ("{histogram: {exponential: }}", "write exponential: {}; the Collector takes null for an explicit histogram"),
        (
            "{histogram: {exponential: {}, explicit: {buckets: [1s]}}}",
            "exponential: use either explicit or exponential",
        ),
        ("{dimensions: [{}]}", "dimensions[0]: give either name or glob"),
        ("{dimensions: [{glob: a, default: x}]}", "default: x: remove it; only a dimension with a name has a default"),
        ("{dimensions: [{name: service.name}]}", "name: service.name: remove it; every series has it already"),
        ("{dimensions: [{glob: 'span.*'}]}", "use a pattern that does not match span.kind, span.name"),
        ("{events: {enabled: true}}", "events: give at least one dimension of the events"),
        ("{events: {enabled: true, dimensions: []}}", "dimensions: give at least one dimension of the events"),
        ("{metrics_flush_interval: 0s}", "use a duration longer than 0"),
        ("{metric_timestamp_cache_size: 0}", "use a whole number of at least 1"),
        ("{resource_metrics_cache_size: 0}", "use a whole number of at least 1"),
        ("{latency_histogram_buckets: [1s]}", "there is no such key"),
    ],
)
def test_what_is_wrong(text, problem):
    """Each case is one problem."""
    assert read(SPAN_METRICS, text).endswith(problem)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{dimensions_cache_size: 5}", "it has no effect, in the Collector too; use aggregation_cardinality_limit"),
        ("{events: {dimensions: [{name: a}]}}", "events are not enabled, so these dimensions are not used"),
        (
            "{exclude_dimensions: [a]}",
            "a: only service.name, span.name, span.kind, status.code, collector.instance.id can be excluded",
        ),
    ],
)
def test_what_is_pointless(text, warning):
    """A setting without effect is accepted with a warning."""
    value, report = read_reporting(SPAN_METRICS, text)
    assert isinstance(value, SpanMetrics)
    assert [str(found).split(": ", 2)[2] for found in report.warnings] == [warning]
