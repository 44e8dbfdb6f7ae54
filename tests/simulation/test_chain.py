"""Head sampler, process, collector, store: what the store says by weight, beside what a client has counted."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace._sampling_experimental import (
    composable_parent_threshold,
    composable_traceid_ratio_based,
    composite_sampler,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import StatusCode, set_span_in_context

from otel_fe import semconv
from otel_fe.collector.decision_lookup import explained
from otel_fe.collector.store_sink import StoreSink
from otel_fe.config.settings import Settings
from otel_fe.dashboard.trace_view import in_short
from otel_fe.forecast.prediction import weighted_quantile
from otel_fe.instrument.process import ProcessPipeline
from otel_fe.store import Selection, Store, StoreReader
from otel_fe.testing import FakeClock
from tests.unit.collector.parts import PipelineBench

NS = 1_000_000_000
T0 = 1_700_002_800 * NS
TOTAL = 6_000
MILLISECOND = 1_000_000
KEEPS_ALL = "[{name: all, type: always_sample}]"
SAMPLES = (
    "[{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}, "
    "{name: share, type: probabilistic, probabilistic: {sampling_percentage: 4}}]"
)
CONFIGURATION = """
receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
processors: {{tail_sampling: {{decision_wait: 1s, policies: {policies}}}}}
exporters: {{nop: {{}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}
"""


class SeededIds:
    """Ids whose randomness is that of a seed."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def generate_trace_id(self):
        return self._random.getrandbits(128) or 1

    def generate_span_id(self):
        return self._random.getrandbits(64) or 1

    def is_trace_id_random(self):
        return True


class ToTheCollector(SpanExporter):
    """Hands spans over as an exporter of OTLP sends them."""

    def __init__(self, bench):
        self._bench = bench

    def export(self, spans):
        self._bench.take(encode_spans(spans).SerializeToString())
        return SpanExportResult.SUCCESS

    def shutdown(self):
        pass


@dataclass
class Chain:
    """The client's true counts, and a reader of the store that the chain has filled."""

    truth: Counter
    durations_ms: list[int]
    reader: StoreReader
    bench: PipelineBench


def head(ratio):
    """Return a sampler of the SDK's that writes its threshold into `tracestate`; for everything its default."""
    if ratio is None:
        return DEFAULT_ON
    return composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(ratio)))


def extract(tracer, rng, truth, durations_ms):
    """Make one extraction, and count it."""
    hit, failed = rng.random() < 0.8, rng.random() < 0.02
    took_ms = rng.randint(5, 20) if hit else rng.randint(30, 160)
    truth["all"] += 1
    truth["hits"] += hit
    truth["errors"] += failed
    durations_ms.append(took_ms)
    attributes = {semconv.FEATURE_SET: "user", semconv.CACHE_HIT: hit, semconv.CACHE_LOOKUPS: 1}
    attributes[semconv.CACHE_HITS] = int(hit)
    outer = tracer.start_span("GET /features", start_time=T0)
    span = tracer.start_span(f"{semconv.SPAN_NAME} user", set_span_in_context(outer), start_time=T0)
    span.set_attributes(attributes)
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(T0 + took_ms * MILLISECOND)
    outer.end(T0 + took_ms * MILLISECOND)


@pytest.fixture(params=[(None, KEEPS_ALL), (0.5, KEEPS_ALL), (None, SAMPLES), (0.5, SAMPLES)], ids=str)
def chain(request, tmp_path):
    """Send extractions through the whole chain."""
    ratio, policies = request.param
    clock = FakeClock(T0 + NS)
    bench = PipelineBench(CONFIGURATION.format(policies=policies), clock)
    store = Store(tmp_path)
    keeping = StoreSink(store, store.counters)
    keeping.observe(bench.engine.parts)
    provider = TracerProvider(sampler=head(ratio), id_generator=SeededIds(7), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ToTheCollector(bench)))
    pipeline = ProcessPipeline(Settings(baseline_ratio=0.1), provider, None)
    pipeline.install()
    rng, truth, durations_ms = random.Random(11), Counter(), []
    tracer = provider.get_tracer("app")
    for _ in range(TOTAL):
        extract(tracer, rng, truth, durations_ms)
    pipeline.remove()
    clock.advance(10)
    bench.engine.tick()
    keeping.work(bench.engine)
    assert store.flush()
    store.close()
    with StoreReader(tmp_path) as reader:
        yield Chain(truth, durations_ms, reader, bench)


EVERYTHING = Selection(T0, T0 + 60 * NS)


def within(weights, exact):
    """Return True if a sum of weights is within four standard errors (Horvitz and Thompson) of the exact count."""
    error = math.sqrt(sum(weight * (weight - 1) for weight in weights))
    return abs(sum(weights) - exact) <= 4 * error + 1e-9


def test_weighted_figures_of_the_store_are_those_that_were_counted(chain):
    """All, hits, errors, the heat map, the totals, and p95 of the kept."""
    found = chain.reader.traces.find(EVERYTHING, limit=10 * TOTAL)
    assert 0 < len(found) < TOTAL / 2
    weights = [one.weight for one in found]
    assert within(weights, chain.truth["all"])
    assert within([one.weight for one in found if one.extraction.cache_hit], chain.truth["hits"])
    assert within([one.weight for one in found if one.extraction.error], chain.truth["errors"])
    totals = chain.reader.totals.totals(EVERYTHING)
    heat = chain.reader.totals.heat_map(EVERYTHING, 60 * NS)
    assert totals.weight == pytest.approx(sum(weights)) == pytest.approx(sum(cell.weight for cell in heat.cells))
    hit_rate = sum(one.weight for one in found if one.extraction.cache_hit) / sum(weights)
    assert hit_rate == pytest.approx(chain.truth["hits"] / chain.truth["all"], abs=0.05)
    # The share of the exact durations below the weighted p95 is 95 %, but for the error of the sample.
    p95_ms = weighted_quantile([one.extraction.duration_ns for one in found], weights, 0.95) / MILLISECOND
    below = sum(took <= p95_ms for took in chain.durations_ms) / TOTAL
    assert below == pytest.approx(0.95, abs=0.03)


def test_the_reason_of_the_process_stands_beside_a_collector_s_that_keeps_all(chain):
    """Record, list of extractions and `why` name the policy of the process, with its share."""
    keeps_all = chain.bench.engine.parts.sampled[0].settings.policies[0].name == "all"
    found = chain.reader.traces.find(EVERYTHING, limit=10 * TOTAL)
    policies = {one.policy for one in found}
    if not keeps_all:
        assert policies == {"errors", "share"}
        return
    assert policies == {"error (in the process)", "slow (in the process)", "baseline (in the process)"}
    one = next(one for one in found if one.policy.startswith("baseline"))
    trace = chain.reader.traces.by_id(one.trace_id)
    assert trace.weight == one.weight == pytest.approx(10, rel=0.001)
    assert trace.record["upstream"] == {"policy": "baseline", "weight": trace.weight}
    assert trace.record["outcome"] == "kept by baseline (1 of 10) in the process, then by all, weight 10"
    assert (
        in_short(trace.record) == "kept by `baseline` (1 of 10) in the process, then by `all`: every trace, weight 10"
    )
    answer = explained(chain.bench.engine, one.trace_id, 0)
    assert answer["record"] == trace.record
