"""Invariants of tail sampling for every span that OTLP can carry."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model import trace_state
from otel_fe.model.decision import Decision
from otel_fe.model.probability import NEVER, adjusted_count
from otel_fe.model.sampling_probability import any_of, intersection
from otel_fe.model.span import Resource, Span
from otel_fe.pipeline.decision_cache import DecisionCache, key_of
from tests.properties.traffic import POLICIES, SPANS, SamplerBench, tail_sampling

NAMES = st.lists(st.sampled_from(sorted(POLICIES)), min_size=1, max_size=5, unique=True)


class SpanBench(SamplerBench):
    """A sampler that receives spans, and waits until it decides unless it is to `keep_early`."""

    def __init__(self, settings, *, keep_early=False, lost=""):
        super().__init__(settings, lost=lost, keep_early=keep_early)

    def receive(self, spans):
        """Take spans that come together."""
        by_trace: dict[int, list[Span]] = {}
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
        for trace_id, some in by_trace.items():
            self.sampler.receive(trace_id, some, 100 * len(some), self.clock.monotonic_ns())

    def decisions(self):
        """Return each trace's decision: who kept it, with what threshold."""
        return {trace_id: (decision.reason, decision.threshold) for trace_id, _, decision in self.delivered}


def _balance(sampler):
    counters = sampler.counters
    placed = counters.queued + sum(counters.sampled.values()) + counters.not_sampled + sum(counters.dropped.values())
    assert counters.received == placed
    return counters.received + sampler.pending[1]


@given(NAMES, st.lists(st.lists(SPANS, max_size=6), max_size=4), st.booleans(), st.sampled_from(["", "queue_full"]))
def test_every_span_received_is_in_exactly_one_place(names, batches, keep_early, lost):
    """Received = sampled or on its way + not sampled + dropped by reason + pending, after every step; nothing raises."""
    bench = SpanBench(
        tail_sampling(*names, settings="    num_traces: 3\n    maximum_trace_size_bytes: 700"),
        keep_early=keep_early,
        lost=lost,
    )
    sent = 0
    for batch in batches:
        bench.receive(batch)
        sent += len(batch)
        assert _balance(bench.sampler) == sent
        bench.wait(1)
        assert _balance(bench.sampler) == sent
    bench.sampler.close()
    assert _balance(bench.sampler) == sent
    assert bench.sampler.pending == (0, 0)
    for record in bench.sampler.records.last(20):
        assert record.outcome
        assert all(vote.saw for vote in record.votes)


@given(NAMES, st.lists(SPANS, max_size=10), st.randoms(use_true_random=False), st.booleans())
def test_neither_order_nor_batches_change_a_decision(names, spans, shuffled, first_match):
    """The same spans, shuffled and cut otherwise, give the same winner and the same threshold for every trace."""
    settings = tail_sampling(*names, settings=f"    sample_on_first_match: {str(first_match).lower()}")
    together, apart = SpanBench(settings), SpanBench(settings)
    together.receive(spans)
    mixed = list(spans)
    shuffled.shuffle(mixed)
    while mixed:
        cut = shuffled.randint(1, len(mixed))
        apart.receive(mixed[:cut])
        mixed = mixed[cut:]
    together.wait()
    apart.wait()
    assert together.decisions() == apart.decisions()


@given(NAMES, st.lists(SPANS, max_size=8))
def test_a_trace_that_came_whole_is_decided_keep_early_as_it_would_be_later(names, spans):
    """Deciding early changes the time of a decision, not its result."""
    settings = tail_sampling(*[name for name in names if name not in ("rate", "bytes", "composite")] or ["flags"])
    early, late = SpanBench(settings, keep_early=True), SpanBench(settings)
    early.receive(spans)
    late.receive(spans)
    early.wait()
    late.wait()
    assert early.decisions() == late.decisions()


@given(st.lists(st.tuples(st.integers(0, (1 << 128) - 1), st.integers(0, 3)), max_size=60), st.integers(1, 12))
def test_remembered_decisions_are_those_of_a_dictionary(entries, limit):
    """The last `limit` ids that were put in are known with their last decision; nothing is made up."""
    decisions = [Decision(sampled=True, reason=str(n), threshold=n) for n in range(4)]
    table, plain = DecisionCache(limit), {}
    for trace_id, number in entries:
        table[key_of(trace_id)] = decisions[number]
        plain.pop(trace_id, None)
        plain[trace_id] = decisions[number]
        assert table[key_of(trace_id)] is decisions[number]
    known = list(plain)[-limit:]
    assert all(table[key_of(trace_id)] is plain[trace_id] for trace_id in known)
    assert len(table) <= 2 * limit


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 8)), min_size=1, max_size=4))
def test_inclusion_is_the_probability_of_a_union(terms):
    """Thresholds on independent numbers combine as counting all cases of eight steps each says."""
    step = NEVER // 8
    inclusions = [t * step if not salt else ((salt, t * step),) for salt, t in terms]
    hit = sum(
        any({"": x, "a": y, "b": z}[salt] >= t for salt, t in terms)
        for x in range(8)
        for y in range(8)
        for z in range(8)
    )
    assert any_of(inclusions) == NEVER - hit * NEVER // 512
    every = sum(
        all({"": x, "a": y, "b": z}[salt] >= t for salt, t in terms)
        for x in range(8)
        for y in range(8)
        for z in range(8)
    )
    joined = 0
    for inclusion in inclusions:
        joined = intersection(joined, inclusion)
    assert any_of([joined]) == NEVER - every * NEVER // 512


@pytest.mark.thorough
@pytest.mark.parametrize("head", [None, "ot=th:8"], ids=["everything", "upstream half"])
@pytest.mark.parametrize(
    "names", [("error", "slow", "share"), ("share", "rate"), ("share", "salted", "count"), ("composite", "error")]
)
def test_kept_traces_count_all_traces_without_bias(names, head):
    """Sum of weights over kept traces = number of traces that there were, over many seeds, within four standard errors.

    Upstream, every second trace was let go by consistent head sampling; each of the rest says so and stands for two.
    """
    errors = []
    for seed in range(60):
        rng = random.Random(seed)
        bench = SpanBench(tail_sampling(*names))
        resource = Resource({"service.name": "a"})
        total = 400
        for _ in range(total):
            trace_id = rng.getrandbits(128)
            count, slow, failed = rng.randint(1, 3), rng.random() < 0.05, rng.random() < 0.03
            if head and trace_id & (NEVER - 1) < NEVER // 2:
                continue
            spans = [
                Span(
                    trace_id,
                    n + 1,
                    n,
                    end_ns=10**9 * slow,
                    status=2 * failed,
                    trace_state=head or "",
                    resource=resource,
                )
                for n in range(count)
            ]
            bench.receive(spans)
        bench.wait()
        kept = {trace_id: (span, decision) for trace_id, spans, decision in bench.delivered for span in spans}
        weights = 0.0
        for span, decision in kept.values():
            threshold = trace_state.sampling(trace_state.stamped(span.trace_state, decision.threshold)).threshold
            weights += adjusted_count(threshold)
        errors.append(weights - total)
    mean = sum(errors) / len(errors)
    deviation = math.sqrt(sum((error - mean) ** 2 for error in errors) / (len(errors) - 1))
    assert abs(mean) <= 4 * deviation / math.sqrt(len(errors)), (mean, deviation)
