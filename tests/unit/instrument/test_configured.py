"""A Collector configuration in the process: what it keeps, and what it counts."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import otel_fe
from otel_fe.config.settings import Settings
from otel_fe.errors import ConfigurationError
from tests.observed import instrumented

CONFIG = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors:
  tail_sampling:
    policies:
      - {name: failed, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: checkout, type: string_attribute, string_attribute: {key: feature_extraction.feature_set, values: [checkout]}}
      - {name: ottl, type: ottl_condition, ottl_condition: {span: ['span.kind == SPAN_KIND_INTERNAL and attributes["feature_extraction.cache.lookups"] > 2']}}
connectors:
  span_metrics:
    histogram: {unit: s, explicit: {buckets: [100ms, 1s]}}
    dimensions: [{name: feature_extraction.feature_set}]
    exemplars: {enabled: true}
exporters: {debug: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}
    traces/count: {receivers: [otlp], exporters: [span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [debug]}
"""


@pytest.fixture
def config(tmp_path):
    """The file."""
    path = tmp_path / "collector.yaml"
    path.write_text(CONFIG)
    return str(path)


def _work():
    for feature_set in ("checkout", "home", "home"):
        with otel_fe.extraction(feature_set):
            pass
    with otel_fe.extraction("home") as running:
        running.cache_hit(3)
    with pytest.raises(ZeroDivisionError), otel_fe.extraction("failing"):
        1 // 0


def test_its_policies_decide_and_name_the_reason(config):
    """Kept are those that a policy of the file samples; slow ones and a share of the rest only if the file says so."""
    with instrumented(config=config, slow_threshold_s=1e-9, baseline_ratio=1.0) as observed:
        _work()
        observed.traces.force_flush()
        assert [span.name for span in observed.spans] == [
            "feature_extraction checkout",
            "feature_extraction home",
            "feature_extraction failing",
        ]
        assert {span.context.trace_state.get("ot") for span in observed.spans} == {"th:0"}
        reasons = {p.attributes["reason"]: p.value for p in observed.points("otel_fe.pipeline.traces")}
    assert reasons == {"failed": 1, "checkout": 1, "ottl": 1, "none": 2}


def test_its_span_metrics_count_every_span_and_exemplars_resolve(config):
    """Counted before sampling; an exemplar leads to a span that was exported."""
    with instrumented(config=config) as observed:
        _work()
        observed.traces.force_flush()
        durations = observed.points("traces.span.metrics.duration")  # first: exemplars are of one interval
        calls = {
            p.attributes["feature_extraction.feature_set"]: p.value
            for p in observed.points("traces.span.metrics.calls")
            if p.attributes["status.code"] == "STATUS_CODE_UNSET"
        }
        exported = {span.context.span_id for span in observed.spans}
    assert calls == {"checkout": 1, "home": 3}
    assert sum(point.count for point in durations) == 5
    exemplars = [exemplar.span_id for point in durations for exemplar in point.exemplars]
    assert exemplars
    assert set(exemplars) <= exported


def test_extraction_metrics_stay_exact(config):
    """The file decides what is kept, not what is counted."""
    with instrumented(config=config) as observed:
        _work()
        assert sum(point.count for point in observed.points("feature_extraction.duration")) == 5


def test_a_file_that_cannot_be_used_is_one_error_with_all_its_problems(tmp_path):
    """An invalid file raises one error with all its problems, and instruments no library."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(CONFIG.replace("status_codes", "status_kodes").replace("100ms", "100"))
    for file, said in ((str(wrong), "wrong.yaml:6"), ("/nowhere.yaml", "OTEL_FE_CONFIG")):
        with pytest.raises(ConfigurationError, match=said):
            otel_fe.FeatureExtractionInstrumentor().instrument(
                settings=Settings(config=file), tracer_provider=TracerProvider(), meter_provider=MeterProvider()
            )
        assert not otel_fe.FeatureExtractionInstrumentor().is_instrumented_by_opentelemetry
