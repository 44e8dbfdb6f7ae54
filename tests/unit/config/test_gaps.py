"""A configuration that feeds a store with half of what the dashboard needs says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_fe.config.collector import read_collector_config
from otel_fe.config.gaps import gaps_of

HEAD = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors: {tail_sampling: {policies: [{name: all, type: always_sample}]}, batch: {}}
connectors: {span_metrics: {}}
exporters: {debug: {}}
service:
  pipelines:
"""
TRACES = "    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}\n"
PLAIN = "    traces: {receivers: [otlp], processors: [batch], exporters: [debug]}\n"
METRICS = "    metrics: {receivers: [otlp], exporters: [debug]}\n"
DERIVED = "    traces/derive: {receivers: [otlp], exporters: [span_metrics]}\n    metrics: {receivers: [span_metrics], exporters: [debug]}\n"


@pytest.mark.parametrize(
    ("pipelines", "signals"),
    [
        (TRACES + METRICS, []),
        (TRACES, ["metrics"]),
        (TRACES + DERIVED, ["metrics"]),
        (PLAIN + METRICS, ["traces"]),
        (METRICS, ["traces"]),
        (PLAIN, ["traces", "metrics"]),
    ],
)
def test_what_is_not_stored_is_named(pipelines, signals):
    found = gaps_of(read_collector_config(HEAD + pipelines, "x.yaml", {}))
    assert [gap.signal for gap in found] == signals
    assert all("Add `" in gap.text or "add `" in gap.text for gap in found)


@pytest.mark.parametrize("file", ["policy.yaml"])
def test_what_is_shipped_has_no_gap(file):
    """The default pipeline of a service sends traces and metrics: both have a place."""
    path = Path(__file__).parents[3] / "collector_config" / file
    assert gaps_of(read_collector_config(path.read_text(encoding="utf-8"), file, {})) == ()
