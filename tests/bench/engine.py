"""The engine alone: assemble, three policies, metrics with four dimensions and exemplars; and what it remembers.

`python -m tests.bench.engine WHAT` is the measured process; the runner calls `run_engine`. Spans are made, outside of the measured
time, just before they are handed in, as a decoder would: their memory is warm, as it is in a collector.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from otel_fe import compiled
from otel_fe.clock import SystemClock
from otel_fe.config.policies import (
    Allocation,
    Composite,
    Latency,
    Probabilistic,
    RateLimiting,
    StatusCode,
    TailSampling,
)
from otel_fe.config.span_metrics import Dimension, Exemplars, SpanMetrics
from otel_fe.model.decision import NOT_SAMPLED
from otel_fe.model.span import CLIENT, ERROR, Resource, Scope, Span
from otel_fe.pipeline.compiled_sampler import tail_sampler
from otel_fe.pipeline.decision_cache import DecisionCache, key_of
from otel_fe.pipeline.span_metrics.connector import SpanMetricsConnector
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.testing import FakeClock
from otel_fe.wire.decode import Decoder
from otel_fe.wire.span import WireSpan
from tests.bench.otlp_traffic import TRACES_PER_REQUEST, traffic
from tests.bench.rounds import Spread, note

SPANS_PER_TRACE = 5
CHUNK = 200
TRACES = 24_000
PENDING = 200_000
REMEMBERED = 2_000_000
_POLICIES = (StatusCode("failed", frozenset([ERROR])), Latency("slow", 99), Probabilistic("share", 0.05))
_LIMITERS = (
    _POLICIES[0],
    RateLimiting("rate", 2_000, 4_000),
    Composite("shares", 1_500, (Allocation(_POLICIES[1], 750), Allocation(Probabilistic("half", 0.5), 750))),
)
_ROUNDS = 10
_DIMENSIONS = ("feature_extraction.feature_set", "feature_extraction.cache.hit", "db.system", "error.type")
_RESOURCES = [Resource({"service.name": f"service-{n}", "host.name": "host"}) for n in range(3)]
_SCOPE = Scope("bench", "1")
_PAGE_BYTES = 4096


class Bench:
    """An engine, and traffic for it."""

    def __init__(self, pending: int = 50_000, wait_s: float = 30, *, as_a_collector: bool = False) -> None:
        self._draw = random.Random(1)
        clock = SystemClock()
        settings = SpanMetrics(dimensions=tuple(map(Dimension, _DIMENSIONS)), exemplars=Exemplars(enabled=True))
        self.metrics = SpanMetricsConnector(settings, clock, random.Random(2).randrange, "bench")
        sampling = TailSampling(_POLICIES, num_traces=pending, decision_wait_ns=round(wait_s * 1e9))
        self.sampler = (
            tail_sampler(WireSpan, sampling, clock, self._deliver)
            if as_a_collector
            else TailSampler(sampling, clock, self._deliver)
        )
        self.kept = 0

    def _deliver(self, _trace_id: int, spans: Any, _decision: Any) -> str:
        self.kept += len(spans)
        self.metrics.offer(spans)
        return ""

    def trace(self, *, whole: bool = True) -> tuple[int, list[Span]]:
        """Return a trace: an extraction of 14 attributes with its calls; without its root if it shall not be whole."""
        draw = self._draw
        trace_id, root_id = draw.getrandbits(128), draw.getrandbits(64)
        origin = _RESOURCES[trace_id % 3]
        start = 1_790_000_000_000_000_000
        calls = [
            Span(
                trace_id,
                draw.getrandbits(64),
                root_id,
                "GET" if number % 2 else "SELECT",
                CLIENT,
                start,
                start + draw.randrange(5_000_000),
                attributes={
                    "db.system": "redis",
                    "db.statement": "GET ?",
                    "net.peer.name": "cache",
                    "net.peer.port": 6379,
                },
                resource=origin,
                scope=_SCOPE,
            )
            for number in range(SPANS_PER_TRACE - 1)
        ]
        attributes = {f"feature_extraction.{number}": number for number in range(12)}
        attributes |= {_DIMENSIONS[0]: "user", _DIMENSIONS[1]: draw.random() < 0.8}
        root = Span(
            trace_id,
            root_id,
            name="feature_extraction user",
            start_ns=start,
            end_ns=start + int(draw.lognormvariate(16.5, 0.8)),
            status=ERROR * (draw.random() < 0.01),
            attributes=attributes,
            resource=origin,
            scope=_SCOPE,
        )
        return trace_id, [*calls, root] if whole else calls


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def _spans() -> dict[str, float]:
    """CPU of a span on its way through all of it."""
    bench = Bench()
    spent = 0.0
    for chunk in range(TRACES // CHUNK + 1):
        traces = [bench.trace() for _ in range(CHUNK)]
        begun = _cpu_s()
        for trace_id, spans in traces:
            bench.metrics.record(spans)
            bench.sampler.receive(trace_id, spans, 500, 1)
        if chunk:  # the first warms up
            spent += _cpu_s() - begun
    begun = _cpu_s()
    bench.sampler.close()  # all of them have waited until here
    spent += _cpu_s() - begun
    assert bench.sampler.counters.received == (TRACES + CHUNK) * SPANS_PER_TRACE
    return {"cpu_us": spent / TRACES / SPANS_PER_TRACE * 1e6, "kept": bench.kept / bench.sampler.counters.received}


def _wire() -> dict[str, float]:
    """CPU of a span on the same way as a collector takes it: handed over by its decoder, kept or dropped after a wait.

    Decoding is not counted. The wait is short, so that what is held is that of some requests.
    """
    bench, decoder = Bench(wait_s=0.05, as_a_collector=True), Decoder()
    spent, counted = 0.0, 0
    for number, request in enumerate(traffic(TRACES // TRACES_PER_REQUEST).requests):
        batch = decoder.decode(request, sized=False)
        begun = _cpu_s()
        bench.metrics.record(batch.spans)
        bench.sampler.receive_all(batch.traces, SystemClock().monotonic_ns())
        bench.sampler.tick()
        if number:  # the first warms up
            spent += _cpu_s() - begun
            counted += TRACES_PER_REQUEST * SPANS_PER_TRACE
        batch.release()
    begun = _cpu_s()
    bench.sampler.close()
    spent += _cpu_s() - begun
    return {"cpu_us": spent / counted * 1e6, "compiled": float(compiled.backend is not None)}


def _pending() -> dict[str, float]:
    """Memory and CPU with 200 000 traces that are not whole."""
    bench = Bench(PENDING + 1)
    spent = [0.0, 0.0]
    held = [bench.trace(whole=False) for _ in range(PENDING)]
    before = _resident_bytes()
    for number, (trace_id, spans) in enumerate(held):
        if number % CHUNK == 0:
            begun = _cpu_s()
        bench.sampler.receive(trace_id, spans, 500, 1)
        if number % CHUNK == CHUNK - 1:
            spent[number >= PENDING // 2] += _cpu_s() - begun
    added = _resident_bytes() - before
    per_span = PENDING // 2 * (SPANS_PER_TRACE - 1)
    return {
        "bytes_per_pending_span": added / (per_span * 2),
        "first_half_us": spent[0] / per_span * 1e6,
        "second_half_us": spent[1] / per_span * 1e6,
    }


def _waiting() -> dict[str, float]:
    """Memory of spans that wait as a collector holds them, beside the bytes that they are."""
    bench, decoder = Bench(10 * PENDING, as_a_collector=True), Decoder()
    requests = list(traffic(TRACES // TRACES_PER_REQUEST).requests)
    payload = sum(map(len, requests))
    before = _resident_bytes()
    begun = _cpu_s()
    for request in requests:
        batch = decoder.decode(request, sized=False)
        bench.sampler.receive_all(batch.traces, 1)
        batch.release()
    traces, spans = bench.sampler.pending
    return {
        "bytes_per_span": (_resident_bytes() - before) / spans,
        "payload_bytes_per_span": payload / TRACES / SPANS_PER_TRACE,
        "cpu_us": (_cpu_s() - begun) / spans * 1e6,
        "traces": float(traces),
    }


def _limited() -> dict[str, float]:
    """CPU of deciding a trace in rounds, a second after it came, with limiters that compare it with 2 000 others."""
    clock, decoder, spent, decided = FakeClock(), Decoder(), 0.0, 0
    sampling = TailSampling(_LIMITERS, num_traces=PENDING, decision_wait_ns=10**9)
    sampler = tail_sampler(WireSpan, sampling, clock, lambda *_: "")
    requests = list(traffic(_ROUNDS * 2_000 // TRACES_PER_REQUEST).requests)
    size = len(requests) // _ROUNDS
    for begin in range(0, len(requests), size):
        for request in requests[begin : begin + size]:
            batch = decoder.decode(request, sized=True)
            sampler.receive_all(batch.traces, clock.monotonic_ns())
            batch.release()
        clock.advance(3.0)
        pending, begun = sampler.pending[0], _cpu_s()
        sampler.tick()
        if begin:  # the first warms up
            spent += _cpu_s() - begun
            decided += pending
    return {"cpu_us_per_trace": spent / decided * 1e6}


def _remembered() -> dict[str, float]:
    """CPU of remembering and looking up, empty and full, and bytes an id."""
    draw = random.Random(3)
    table = DecisionCache(REMEMBERED)
    costs = {}
    step = REMEMBERED // 20
    for block in range(20):
        keys = [key_of(draw.getrandbits(128)) for _ in range(step)]
        begun = _cpu_s()
        for key in keys:
            table[key] = NOT_SAMPLED
        put = _cpu_s() - begun
        begun = _cpu_s()
        for key in keys:
            table[key]
        got = _cpu_s() - begun
        if block in (0, 19):
            name = "first" if block == 0 else "last"
            costs[f"put_{name}_us"], costs[f"get_{name}_us"] = put / step * 1e6, got / step * 1e6
    return {**costs, "bytes_per_id": table.size_bytes / len(table), "remembered": len(table)}


MEASURES = {
    "spans": _spans,
    "wire": _wire,
    "pending": _pending,
    "waiting": _waiting,
    "limited": _limited,
    "remembered": _remembered,
}


def run_engine(rounds: int) -> dict[str, Spread]:
    """Return the figures of each measure, each round in a fresh process."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        for name in MEASURES:
            note(f"engine: round {number + 1} of {rounds}, {name}")
            command = [sys.executable, "-m", "tests.bench.engine", name]
            done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"bench: engine {name} ended with {done.returncode}\n{done.stderr[-2000:]}")
            figures = json.loads(done.stdout)
            for figure, value in figures.items():
                found.setdefault(f"{name} {figure}", []).append(value)
    note("")
    return {name: Spread.of(values) for name, values in found.items()}


if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]]()))
