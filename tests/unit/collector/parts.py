"""Pipelines in the process of the test: a configuration in, exporters that note what they are offered."""

from __future__ import annotations

import threading

from otel_fe.collector.exporters.exporter import ExporterCounts
from otel_fe.collector.graph.build import BuildContext, PipelineBuilder
from otel_fe.collector.graph.graph import PipelineGraph
from otel_fe.config.collector import read_collector_config
from otel_fe.testing import FakeClock


class Noted:
    """An exporter that keeps the payloads that it is offered, and settles them on demand."""

    def __init__(self, *, at_once: bool = True):
        self.payloads = []
        self.at_once = at_once
        self.full = False
        self.refuses = ""
        """Why it takes nothing now."""
        self.name = ""

    def accept(self, payload):
        return self.refuses or (self.offer(payload) and "")

    enqueue = accept

    def offer(self, payload):
        if self.refuses:
            self.settle(payload, self.refuses)
            return False
        self.payloads.append(payload)
        if self.at_once:
            self.settle(payload)
        return True

    def settle(self, payload, reason=""):
        payload.tally.note(self.name, payload.items, reason)

    def counts(self):
        return ExporterCounts(queue_size=int(self.full), queue_capacity=1)

    @property
    def data(self):
        return [payload.data for payload in self.payloads]


class PipelineBench:
    """An engine with a clock of its own."""

    def __init__(
        self,
        text: str,
        clock: FakeClock | None = None,
        before=None,
        exporters=None,
        partition=None,
        *,
        gathers=False,
        **more,
    ):
        self.clock = clock or FakeClock()
        self.config = read_collector_config(text, "test.yaml", {})
        self.exporters = exporters or {str(name): Noted() for name in self.config.exporters}
        for name, exporter in self.exporters.items():
            exporter.name = name
        surroundings = BuildContext(self.clock, "instance", **more)
        parts = PipelineBuilder(self.config, self.exporters, surroundings, before).build()
        self.woken: list[int] = []
        self.engine = PipelineGraph(
            parts, self.clock, threading.Lock(), partition, wake=self.woken.append, gathers=gathers
        )

    def take(self, payload: bytes, signal: str = "traces"):
        return self.engine.take("otlp", signal, payload)

    def due_s(self) -> float:
        """Return in how many seconds a tick has something to do."""
        return (self.engine.due_ns() - self.clock.monotonic_ns()) / 1e9

    @property
    def counters(self):
        return self.engine.parts.sampled[0].counters

    def sums(self) -> dict[str, int]:
        """Return the counts of the sampling pipeline."""
        found = self.counters
        return {
            "received": found.received,
            "sampled": sum(found.sampled.values()),
            "not_sampled": found.not_sampled,
            "dropped": sum(found.dropped.values()),
            "queued": found.queued,
        }


SAMPLED = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors:
  tail_sampling: {decision_wait: 10s, policies: [{name: slow, type: latency, latency: {threshold_ms: 100}}]}
  batch: {timeout: 1s, send_batch_size: 6}
connectors:
  span_metrics: {exemplars: {enabled: true}, metrics_flush_interval: 15s}
exporters: {nop: {}, nop/metrics: {}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [nop]}
    traces/counted: {receivers: [otlp], exporters: [span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [nop/metrics]}
"""
WAITING = SAMPLED.replace("threshold_ms: 100", "threshold_ms: 100, upper_threshold_ms: 9000")
"""With an upper bound, whose vote is never final before the decision wait is over."""
PLAIN = """
receivers: {otlp: {protocols: {grpc: {}}}}
processors: {batch: {timeout: 1s, send_batch_size: 6, send_batch_max_size: 8}}
exporters: {nop: {}, nop/second: {}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [nop, nop/second]}
    logs: {receivers: [otlp], processors: [batch], exporters: [nop]}
"""
