"""The corpus through our engine."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from otel_fe.config.collector import read_collector_config
from otel_fe.config.policies import TailSampling
from otel_fe.model import trace_state
from otel_fe.model.metric import Buckets
from otel_fe.model.vote import SAMPLED
from otel_fe.pipeline.compiled_sampler import CompiledTailSampler
from otel_fe.pipeline.policies.composite import SubPolicyShare
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.testing import FakeClock
from otel_fe.wire.decode import Decoder
from otel_fe.wire.span import WireSpan
from tests.corpus.case import LATER, Later
from tests.corpus.outcome import KeptSpan, outcome, with_first_values
from tests.corpus.spans import at
from tests.corpus.wire import encode, resource_spans_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.model.decision import Decision
    from otel_fe.model.exponential import ExponentialState
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.model.span import Attributes, Span, Value
    from tests.corpus.case import Case
    from tests.corpus.outcome import Outcome


def run(case: Case, *, keep_early: bool = False, in_c: bool = False) -> Outcome:
    """Return what our engine makes of a case.

    Settings are read by the same code as a user's file. The clock stands while a batch comes in; in a pause it moves
    on, second by second, and what is due is decided and flushed. Cumulative points are those of the last flush, delta
    points those of all of them. `keep_early` keeps traces whose vote is final when they come, as otel_fe does unless configured to wait;
    `in_c` sends requests as bytes to the compiled sampler.
    """
    bench = CaseBench(case, keep_early, in_c)
    now_ns = at(60_000)
    for batch in case.batches:
        if isinstance(batch, Later):
            now_ns = bench.pause(now_ns)
        else:
            bench.receive(batch, now_ns)
            now_ns += 1_000_000
    bench.pause(now_ns)
    bench.close()
    return outcome(bench.kept, bench.points)


@cache
def _config(text: str) -> CollectorConfig:
    """Return the settings of cases, which do not change; reading them takes longer than all else, and half of the cases share theirs."""
    return read_collector_config(text, "case.yaml", {})


class CaseBench:
    """The engine with the settings of a case, and what left it."""

    def __init__(self, case: Case, keep_early: bool, in_c: bool) -> None:
        config = _config(collector_yaml(case))
        self.clock = FakeClock(time_ns=0, monotonic_ns=0)
        self.kept: list[KeptSpan] = []
        self._flushes: list[list[dict[str, Any]]] = []
        self.sampler = next(
            (
                self._sampler(settings, keep_early, in_c)
                for settings in config.processors.values()
                if isinstance(settings, TailSampling)
            ),
            None,
        )
        self.connector = next(
            (
                SpanMetricsConnector(settings, self.clock, random.Random(1).randrange, "INSTANCE")
                for settings in config.connectors.values()
            ),
            None,
        )
        self._delta = any(settings.delta for settings in config.connectors.values())

    @property
    def points(self) -> list[dict[str, Any]]:
        """Return the connector's data points, in the form of `Outcome.points`."""
        if self._delta:
            return [point for flush in self._flushes for point in flush]
        return with_first_values(self._flushes)

    def _sampler(self, settings: TailSampling, keep_early: bool, in_c: bool) -> TailSampler:
        if in_c:
            return CompiledTailSampler(WireSpan, settings, self.clock, self._deliver, keep_early=keep_early)
        return TailSampler(settings, self.clock, self._deliver, keep_early=keep_early)

    def receive(self, batch: Sequence[Span], now_ns: int) -> None:
        """Take one request: its parts by trace, in each of its resources."""
        self.clock.advance(ns=now_ns - self.clock.monotonic_ns())
        if self.connector is not None:
            self.connector.record(batch)
        if isinstance(self.sampler, CompiledTailSampler):
            decoded = Decoder().decode(encode(batch))
            self.sampler.receive_all(decoded.traces, now_ns)
            decoded.release()
            return
        for _, of_resource in groupby(batch, key=lambda span: id(span.resource)):
            by_trace: dict[int, list[Span]] = {}
            for span in of_resource:
                by_trace.setdefault(span.trace_id, []).append(span)
            for trace_id, spans in by_trace.items():
                if self.sampler is not None:
                    self.sampler.receive(trace_id, spans, resource_spans_size(spans), now_ns)

    def pause(self, now_ns: int) -> int:
        """Let time pass; return when it has."""
        for _ in range(int(LATER.value)):
            now_ns += 1_000_000_000
            self._tick(now_ns)
        now_ns += int(LATER.value % 1 * 1e9)
        self._tick(now_ns)
        return now_ns

    def close(self) -> None:
        """Decide what is pending."""
        if self.sampler is not None:
            self.sampler.close()

    def _tick(self, now_ns: int) -> None:
        self.clock.advance(ns=now_ns - self.clock.monotonic_ns())
        if self.sampler is not None:
            self.sampler.tick()
        if self.connector is not None:
            flushed = [point for resource in self.connector.collect() for point in _points(resource)]
            self._flushes.append(flushed)

    def _deliver(self, trace_id: int, spans: Sequence[Span], decision: Decision) -> str:
        assert self.sampler is not None
        recorded, _, _, decided, _, _, votes = self.sampler.records._unpacked(self.sampler.records._ring[-1])
        late = recorded != trace_id or (decided.reason, decided.threshold) != (decision.reason, decision.threshold)
        late = late or any(span.trace_id == trace_id for span in self.kept)
        shares = [
            v[2][0]
            for v in votes
            if isinstance(v[2], tuple) and isinstance(v[2][0], SubPolicyShare) and v[0] == SAMPLED
        ]
        for span in spans:
            written = trace_state.stamped(span.trace_state, decision.threshold)
            state = span.trace_state if written is None else written
            sub_policy = shares[0].policy.name if shares and not late else ""
            self.kept.append(KeptSpan(trace_id, span.span_id, state, "" if late else decision.reason, sub_policy))
        return ""


def _points(resource: ResourceMetrics) -> Iterator[dict[str, Any]]:
    for metric in resource.metrics:
        for point in metric.points:
            found = {
                "name": metric.name,
                "unit": metric.unit,
                "resource": _attributes(resource.attributes),
                "attributes": _attributes(point.attributes),
                "temporality": "delta" if metric.delta else "cumulative",
            }
            yield {**found, **_value(point.value)}


def _value(value: int | Buckets | ExponentialState) -> dict[str, Any]:
    if isinstance(value, int):
        return {"value": value}
    found: dict[str, Any] = {"count": value.count, "sum": value.total}
    if isinstance(value, Buckets):
        return {**found, "bounds": list(value.edges), "buckets": list(value.counts)}
    found.update(scale=value.scale, zero_count=value.zero_count, min=value.least or 0.0, max=value.most or 0.0)
    return {**found, "offset": value.offset, "buckets": list(value.buckets)}


def _attributes(attributes: Attributes) -> dict[str, Any]:
    return {key: _json(value) for key, value in attributes.items()}


def _json(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Mapping):
        return {"map": _attributes(value)}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value


def collector_yaml(case: Case) -> str:
    """Return a whole file of Collector settings for a case."""
    parts = ["receivers: {otlp: {protocols: {grpc: {}}}}", "exporters: {debug: {}}"]
    pipelines = []
    if case.tail_sampling is not None:
        parts.append(_component("processors", "tail_sampling", case.tail_sampling_yaml()))
        pipelines.append("traces: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}")
    if case.span_metrics is not None:
        parts.append(_component("connectors", "span_metrics", case.span_metrics_yaml()))
        pipelines.append("traces/derive: {receivers: [otlp], exporters: [span_metrics]}")
        pipelines.append("metrics: {receivers: [span_metrics], exporters: [debug]}")
    parts.append("service:\n  pipelines:\n" + textwrap.indent("\n".join(pipelines), "    "))
    return "\n".join(parts) + "\n"


def _component(kind: str, name: str, settings: str) -> str:
    return f"{kind}:\n  {name}:\n{textwrap.indent(settings.rstrip(), '    ')}"
