"""Tail sampling in C, against the plain sampler: the same for everything that spans and policies can say, in whatever requests."""

from __future__ import annotations

import gc
import zlib
from unittest.mock import Mock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.model.decision import Decision
from otel_fe.model.span import Resource, Span
from otel_fe.pipeline import pending_segments
from otel_fe.pipeline.compiled_sampler import CompiledTailSampler, tail_sampler
from otel_fe.pipeline.decision_cache import PlainDecisionCache
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.wire.decode import Decoder
from otel_fe.wire.resource_scope import WireResource
from otel_fe.wire.span import WireSpan
from tests.corpus.wire import encode
from tests.properties.traffic import (
    LIMITERS,
    NESTED,
    POLICIES,
    RESOURCES,
    SCOPES,
    SPANS,
    SamplerBench,
    clock,
    nested_sampling,
    tail_sampling,
)

NAMES = st.lists(st.sampled_from(sorted(POLICIES)), min_size=1, max_size=5, unique=True)
USUAL = st.builds(
    Span,
    trace_id=st.integers(1, 12),
    span_id=st.integers(1, 6),
    parent_id=st.sampled_from([0, 1, 1, 2]),
    name=st.sampled_from(["a", "b"]),
    kind=st.sampled_from([1, 2, 3]),
    start_ns=st.sampled_from([0, 1, 10**9]),
    end_ns=st.sampled_from(
        [0, 2, 10**9, 10**9 + 11_000_000, 10**9 + 150_000_000, 10**9 + 500_000_000, 2**63, 2**64 - 1]
    ),
    status=st.sampled_from([0, 0, 0, 1, 2]),
    trace_state=st.sampled_from(["", "", "", "", "", "ot=th:8", "ot=rv:ffffffffffffff", "shop=keep", "a=b"]),
    flags=st.sampled_from([0, 0, 0, 1, 2, 2**32 - 1]),
    attributes=st.dictionaries(
        st.sampled_from(["shop", "n", "ok", "x"]),
        st.sampled_from(["yes", "no", "", "yonder", 0, 4, 6, -1, 2**40, True, False, 1.5, [1], {"a": 1}, b"y"]),
        max_size=3,
    ),
    resource=st.sampled_from(RESOURCES),
    scope=st.sampled_from(SCOPES),
)
"""Spans that are read in C."""
STEPS = st.lists(
    st.lists(USUAL, min_size=1, max_size=8) | st.lists(SPANS, min_size=1, max_size=5) | st.integers(1, 6),
    min_size=1,
    max_size=7,
)
"""Requests, and seconds between them: traces wait for five."""
MORE = st.sampled_from(
    [
        "",
        "    maximum_trace_size_bytes: 300",
        "    maximum_trace_size_bytes: 300\n    num_traces: 1",
        "    sample_on_first_match: true",
        "    decision_wait_after_root_received: 2s",
        "    num_traces: 2",
        "    drop_pending_traces_on_shutdown: true",
    ]
)

needs_it = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")


class WireBench(SamplerBench):
    """A sampler at the end of the wire."""

    def __init__(self, settings, *, in_c, segment_bytes=300, rest_ns=0):
        make = (lambda *arguments: CompiledTailSampler(WireSpan, *arguments)) if in_c else TailSampler
        # Small, and compressed as soon as they are full: so that a few spans meet all that many would.
        with patch.multiple(pending_segments, SEGMENT_BYTES=segment_bytes, REST_NS=rest_ns):
            super().__init__(settings, make)
        self.decode = Decoder().decode

    def deliver(self, trace_id, spans, decision):
        """The store takes a trace's record when it is delivered: it must be the newest then, unless spans follow a decision."""
        if not any(trace_id == before for before, _, _ in self.delivered):
            (newest,) = self.sampler.records.last(1)
            assert newest.trace_id == trace_id
        return super().deliver(trace_id, [span.raw for span in spans], decision)

    def step(self, step):
        """Take a request, or let seconds pass."""
        if not isinstance(step, bytes):
            self.wait(step)
            return
        batch = self.decode(step, sized=True)
        self.sampler.receive_all(batch.traces, self.clock.monotonic_ns())
        batch.release()

    def outcome(self):
        """Return all decisions as far as they can be observed, and the pending traces."""
        sampler, counters = self.sampler, self.sampler.counters
        records = {(r.trace_id, r.trigger): r.as_dict() for r in sampler.records.last(1_000)}
        counts = {name: value for name, value in vars(counters).items() if name != "lock"}
        waiting = [
            (
                t.trace_id,
                t.count,
                t.arrived_ns,
                t.root_received_ns,
                t.size_bytes,
                t.wrapped_bytes,
                [s.raw for s in t.spans],
            )
            for t in sampler.pending_traces()
        ]
        return {
            "records": records,
            "counts": counts,
            "delivered": sorted(self.delivered, key=repr),
            "pending": (sampler.pending, waiting, sampler.due_ns),
            "remembered": len(sampler._remembered),
        }


def both(settings, **segments):
    """Return the compiled sampler and the plain one."""
    return WireBench(settings, in_c=True, **segments), WireBench(settings, in_c=False)


def check(benches):
    """Compare two benches, part by part."""
    first, second = (bench.outcome() for bench in benches)
    for part, found in first.items():
        assert found == second[part], part


def compare(benches, steps):
    """Run two benches through the same steps to their end, and compare them after each."""
    for step in steps:
        payload = encode(step) if isinstance(step, list) else step
        for bench in benches:
            bench.step(payload)
        check(benches)
    for bench in benches:
        bench.sampler.close()
    check(benches)


def count_objects(bench):
    """Return a list that grows by the row of each trace that is made an object."""
    made = []
    stand_in = bench.sampler._stand_in
    bench.sampler._stand_in = lambda row: made.append(row) or stand_in(row)
    return made


@needs_it
@given(NAMES, STEPS, MORE)
def test_decisions_are_those_of_the_plain_sampler(names, steps, more):
    """Votes, records, counts, what is kept and what is pending: after each request, each wait, and at the end."""
    benches = both(tail_sampling(*names, settings=more))
    compare(benches, steps)
    assert benches[0].sampler.pending == (0, 0)


@needs_it
@given(
    st.lists(st.sampled_from(LIMITERS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["drop", "error", "ottl", "share"]),
    st.lists(st.lists(USUAL, min_size=4, max_size=30) | st.integers(1, 6), min_size=2, max_size=6),
    MORE,
)
def test_traces_compete_for_budgets_as_in_the_plain_sampler(names, other, steps, more):
    """Compiled and plain samplers agree on the sampled traces, the remaining budgets and the records of past rounds."""
    benches = both(tail_sampling(*names, other, settings=more))
    compare(benches, steps)


@needs_it
@given(
    st.lists(NESTED, min_size=1, max_size=4),
    st.lists(st.lists(USUAL, min_size=8, max_size=30), min_size=1, max_size=3),
    st.sampled_from([1, 6]),
    MORE,
)
def test_limiters_nested_in_other_policies_decide_as_in_the_plain_sampler(policies, requests, seconds, more):
    """Limiters in `not`, `and`, `drop` and `composite`: who competes for a budget depends on the budgets before it."""
    benches = both(nested_sampling(policies, settings=more))
    for request in requests:
        for step in (encode(request), seconds):
            for bench in benches:
                bench.step(step)
            check(benches)
    for bench in benches:
        bench.sampler.close()
    check(benches)


@needs_it
@pytest.mark.parametrize("name", LIMITERS)
def test_a_round_makes_no_objects_of_traces_that_look_alike(name):
    """Wherever a limiter is nested, thousands of traces are decided without being made objects."""
    bench, _ = both(tail_sampling("error", name))
    made = count_objects(bench)
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    for begin in (1, 3_001):
        bench.step(encode([Span(n, 1, name="a", start_ns=1, end_ns=2, **around) for n in range(begin, begin + 3_000)]))
        bench.step(7)
    assert bench.sampler.pending == (0, 0)
    assert len(made) < 60


@needs_it
@pytest.mark.parametrize("name", ["all", "error", *LIMITERS])
def test_a_full_sampler_makes_no_objects_of_traces_that_look_alike(name):
    """The oldest trace makes room for the next without being made an object."""
    bench, _ = both(tail_sampling("state", name, settings="    num_traces: 10"))
    made = count_objects(bench)
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    for begin in range(1, 1_000, 50):
        bench.step(encode([Span(n, 1, name="a", start_ns=1, end_ns=2, **around) for n in range(begin, begin + 50)]))
    bench.step(7)
    assert bench.sampler.pending == (0, 0)
    assert len(made) < 200


@needs_it
def test_what_is_foreseen_while_traces_make_room_is_not_decided_by_a_later_round():
    """A trace that makes room is a round of its own, whose threshold is not that of the rounds around it."""
    benches = both(tail_sampling("rate", settings="    num_traces: 4"))
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    # Two rounds sample everything; between them, ten traces make room, which is more than the bucket holds.
    for begin, end, start_ns in [(1, 2, 1), (2, 16, 1), (16, 17, 0)]:
        payload = encode([Span(n, 1, name="a", start_ns=start_ns, end_ns=2, **around) for n in range(begin, end)])
        for bench in benches:
            bench.step(payload)
            if begin != 2:
                bench.step(6)
        check(benches)
    assert 16 in [trace_id for trace_id, _, _ in benches[0].delivered]


@needs_it
@pytest.mark.parametrize("count", [15, 16, 17, 40])
def test_any_number_of_limiters_is_decided_in_c(count):
    """Thresholds of all of them are in the records, and explain the decisions."""
    policies = [f"type: rate_limiting, rate_limiting: {{spans_per_second: {n + 1}}}" for n in range(count)]
    benches = both(nested_sampling(policies))
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    for begin in (1, 101):
        payload = encode([Span(n, 1, name="a", start_ns=1, end_ns=2, **around) for n in range(begin, begin + 100)])
        for step in (payload, 6):
            for bench in benches:
                bench.step(step)
            check(benches)
    assert len(benches[0].delivered) == 4 * count  # full at first, of two seconds


@needs_it
def test_a_round_evaluates_policies_for_traces_that_differ():
    """Thousands of traces that look alike compete without being made objects."""
    bench, _ = both(tail_sampling("rate", "error"))
    made = count_objects(bench)
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    bench.step(encode([Span(n, 1, name="a", start_ns=1, end_ns=2, **around) for n in range(1, 3_001)]))
    bench.step(7)
    assert (len(bench.delivered), bench.sampler.pending) == (6, (0, 0))  # the burst
    assert len(made) < 10


MANY = st.lists(st.sampled_from(sorted(POLICIES)), min_size=1, max_size=6)


@needs_it
@given(MANY, st.integers(1, 70), MANY, st.lists(USUAL, min_size=1, max_size=20), STEPS, MORE)
def test_more_policies_than_a_word_has_bits_decide_as_in_the_plain_sampler(first, others, last, begin, steps, more):
    """Policies that differ from each other in front of policies, behind them, and between them."""
    between = [f"type: span_count, span_count: {{min_spans: {40 + n}}}" for n in range(others)]
    kinds = [POLICIES[name][1:-1] for name in (*first, *last)]
    benches = both(nested_sampling(kinds[: len(first)] + between + kinds[len(first) :], settings=more))
    compare(benches, (begin, *steps))


@needs_it
@pytest.mark.parametrize("count", [59, 60, 61, 120, 121, 300])
def test_any_number_of_policies_is_decided_in_c(count):
    """Each policy decides by its own bit, and is named by its own record."""
    policies = [
        f"type: numeric_attribute, numeric_attribute: {{key: n, min_value: {n}, max_value: {n}}}"
        for n in range(1, count)
    ]
    failing = "type: ottl_condition, ottl_condition: {error_mode: propagate, span: ['attributes[\"text\"] + 1 == 2']}"
    settings = nested_sampling([*policies, failing])
    assert isinstance(tail_sampler(WireSpan, settings, clock(), lambda *_: ""), CompiledTailSampler)
    benches = both(settings)
    numbers = [{"n": n} for n in range(count + 1)] + [{"text": "a"}]
    payload = encode(
        [
            Span(n, 1, name="a", attributes=each, resource=RESOURCES[0], scope=SCOPES[0])
            for n, each in enumerate(numbers, 1)
        ]
    )
    for step in (payload, 6):
        for bench in benches:
            bench.step(step)
        check(benches)
    found = {trace_id: decision.reason for trace_id, _, decision in benches[0].delivered}
    assert found == {n + 1: f"q{n - 1}" for n in range(1, count)}
    assert benches[0].sampler.records.of(len(numbers)).votes[-1].vote == "failed"


@needs_it
@given(NAMES, NAMES, STEPS, MORE)
def test_what_is_pending_goes_on_under_other_policies(names, others, steps, more):
    """A reload keeps arrival times, roots, spans and cached decisions."""
    benches = both(tail_sampling(*names, settings=more))
    after = both(tail_sampling(*others, settings=more))
    for old, new in zip(benches, after, strict=True):
        for step in steps:
            old.step(encode(step) if isinstance(step, list) else step)
        new.clock.advance(ns=old.clock.monotonic_ns() - new.clock.monotonic_ns())
        old.sampler.hand_over(new.sampler)
        assert old.sampler.pending == (0, 0)
        new.step(3)
    check(after)


@needs_it
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_is_decided_in_c(name):
    """None leaves its traces to the plain sampler."""
    sampler = tail_sampler(WireSpan, tail_sampling(*{"error", name}), clock(), lambda *_: "")
    assert isinstance(sampler, CompiledTailSampler)


@needs_it
def test_what_spans_look_like_is_asked_once():
    """A condition that Python evaluates is not evaluated anew for each span that looks like one before."""
    bench, _ = both(tail_sampling("like"))
    (leaf,) = bench.sampler._leaves.evaluators
    asked = []
    condition = leaf._spans[0]
    leaf._spans[0] = lambda span: asked.append(span) or condition(span)
    for n in range(1, 200):
        bench.step(encode([Span(n, 1, name="ab"[n % 2], attributes={"n": n % 5, "x": n}, resource=RESOURCES[0])]))
    assert len(asked) == 10
    assert len(bench.delivered) == sum(n % 2 == 0 and n % 5 > 3 for n in range(1, 200))


@pytest.mark.parametrize("in_c", [pytest.param(True, marks=needs_it), False])
def test_a_span_is_looked_at_once_in_however_many_requests_its_trace_comes(in_c):
    """Looking at all that came before with each request would be quadratic, and a sender chooses the requests."""
    bench = WireBench(tail_sampling("ottl"), in_c=in_c)
    (leaf,) = bench.sampler.sampler.policies
    asked = []
    condition = leaf._spans[0]
    leaf._spans[0] = lambda span: asked.append(span.span_id) or condition(span)
    for n in range(1, 301):
        bench.step(encode([Span(1, n, name="b", resource=RESOURCES[0], scope=SCOPES[0])]))
    bench.step(6)
    assert asked == list(range(1, 301))
    assert bench.sampler.counters.not_sampled == 300


@pytest.mark.parametrize("in_c", [pytest.param(True, marks=needs_it), False])
def test_a_trace_that_is_too_large_makes_room_for_the_next_in_its_request(in_c):
    """A trace that is too large is dropped at once; evicting it for the next one would keep it."""
    bench = WireBench(tail_sampling("all", settings="    maximum_trace_size_bytes: 300\n    num_traces: 1"), in_c=in_c)
    names = {1: "n" * 400, 2: "a", 3: "n" * 400, 4: "a"}
    bench.step(encode([Span(n, 1, name=name, resource=RESOURCES[0], scope=SCOPES[0]) for n, name in names.items()]))
    counters = bench.sampler.counters
    assert counters.dropped == {"trace_size": 2}
    assert counters.evicted == {"trace_size": 2, "num_traces": 1}
    assert [trace_id for trace_id, _, _ in bench.delivered] == [2]
    assert bench.sampler.pending == (1, 1)


def fail_at(bench, span_id):
    """Let the only policy of a sampler raise when it looks at a certain span."""
    (leaf,) = bench.sampler.sampler.policies

    def condition(span):
        if span.span_id == span_id:
            raise ZeroDivisionError
        return span.name == "kept"

    leaf._spans[0] = condition


@needs_it
def test_a_policy_that_raises_loses_nothing_that_was_decided_before():
    """The traces of a request in front of the one that it fails on are kept, follow their decision, or wait."""
    bench, _ = both(tail_sampling("ottl"))
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    fail_at(bench, 66)
    bench.step(encode([Span(1, 1, name="kept", **around)]))
    names = [(1, 2, "late"), (2, 1, "kept"), (3, 1, "waits"), (4, 66, "fails"), (5, 1, "unseen")]
    with pytest.raises(ZeroDivisionError):
        bench.step(encode([Span(*ids, name=name, **around) for *ids, name in names]))
    counters = bench.sampler.counters
    assert [trace_id for trace_id, _, _ in bench.delivered] == [1, 1, 2]
    assert (counters.received, counters.queued) == (3, 3)
    assert bench.sampler.pending == (1, 1)
    bench.step(6)
    assert counters.not_sampled == 1
    assert bench.sampler.pending == (0, 0)


@needs_it
@pytest.mark.parametrize("step", [1, 2**16, 2**56])
def test_ids_that_a_sender_chooses_do_not_share_a_place(step):
    """Ids in a lattice: counted up, or with zeros at the end of both halves, where products and sums of halves collide."""
    bench, _ = both(tail_sampling("error"))
    ids = [i * step << 64 | j * step for i in range(128) for j in range(1, 129)]
    bench.step(encode([Span(trace_id, 1, name="a", resource=RESOURCES[0], scope=SCOPES[0]) for trace_id in ids]))
    assert bench.sampler.pending == (len(ids), len(ids))
    assert bench.sampler._waiting.longest < 40


@needs_it
def test_a_policy_that_raises_at_a_reload_leaves_the_trace_where_it_was():
    """After a policy raised at a reload, the trace is pending in one of the two samplers."""
    old, new = WireBench(tail_sampling("ottl"), in_c=True), WireBench(tail_sampling("ottl"), in_c=True)
    fail_at(new, 66)
    old.step(encode([Span(n, n, name="a", resource=RESOURCES[0], scope=SCOPES[0]) for n in (1, 66, 2)]))
    with pytest.raises(ZeroDivisionError):
        old.sampler.hand_over(new.sampler)
    assert [old.sampler.pending, new.sampler.pending] == [(2, 2), (1, 1)]


@needs_it
def test_a_round_that_fails_counts_what_it_has_decided():
    """The traces in front of the one whose decision raises are delivered or counted."""
    bench, _ = both(tail_sampling("slow"))
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    spans = [Span(1, 1, name="a", start_ns=10**9, end_ns=10**9, **around), Span(2, 1, name="a", **around)]
    decide = bench.sampler.sampler.decide

    def failing(trace):
        if trace.trace_id == 2:
            raise ZeroDivisionError
        return decide(trace)

    with patch.object(bench.sampler.sampler, "decide", failing):
        bench.step(encode(spans))
        with pytest.raises(ZeroDivisionError):
            bench.step(6)
    assert bench.sampler.pending == (1, 1)
    assert (bench.sampler.counters.received, bench.sampler.counters.not_sampled) == (1, 1)
    bench.step(1)
    assert (bench.sampler.counters.received, bench.sampler.counters.not_sampled) == (2, 2)


@needs_it
def test_resources_that_are_remembered_are_bounded_in_bytes():
    """Senders choose how large a resource is; what leaves know of it must not keep it."""
    bench, _ = both(tail_sampling("numeric"))
    for n in range(1, 41):
        resource = Resource({"service.name": "a" * 2**20, "x": n})
        bench.step(encode([Span(n, 1, name="a", resource=resource, scope=SCOPES[0])]))
    bench.step(7)
    assert bench.sampler.pending == (0, 0)
    bench.decode = None  # which knows some, too
    gc.collect()
    assert sum(isinstance(each, WireResource) and len(each.frame) > 2**20 for each in gc.get_objects()) <= 8


@needs_it
def test_pending_memory_is_counted_exactly():
    """`pending_bytes` includes every waiting span, and returns to its empty value after the decisions."""
    bench, _ = both(tail_sampling("error"))
    empty = bench.sampler.pending_bytes
    for n in range(1, 50):
        bench.step(encode([Span(n, 1, name="n" * 100, resource=RESOURCES[0], scope=SCOPES[0])]))
    assert bench.sampler.pending_bytes - empty > 49 * 100
    assert bench.sampler.pending_bytes - empty < 49 * (130 + 350)
    bench.step(7)
    assert bench.sampler.pending == (0, 0)
    assert bench.sampler.pending_bytes == empty


def spans_that_wait(ids):
    """Return a request of one span of about two kilobytes for each trace."""
    attributes = {f"attribute.{i}": f"value {i}" * 9 for i in range(20)}
    around = {"resource": RESOURCES[0], "scope": SCOPES[0]}
    return encode([Span(n, 1, name=f"trace {n};", attributes=attributes, **around) for n in ids])


@needs_it
def test_spans_that_wait_long_are_compressed():
    """Spans are compressed after two seconds, only in traces that would not be sampled; a later error releases them unchanged."""
    bench, plain = both(tail_sampling("error"), segment_bytes=16_384, rest_ns=2 * 10**9)
    bench.step(spans_that_wait(range(1, 1_001)))
    fresh = bench.sampler.pending_bytes
    bench.step(1)
    bench.step(spans_that_wait([2_000]))
    assert bench.sampler.pending_bytes > fresh
    bench.step(1)
    bench.step(spans_that_wait([3_000]))
    assert bench.sampler.pending_bytes < fresh * 0.7
    for each in (bench, plain):
        each.delivered.clear()
    failed = [Span(n, 9_999, name="a", status=2, resource=RESOURCES[0], scope=SCOPES[0]) for n in range(1, 1_001)]
    bench.step(encode(failed))
    plain.step(spans_that_wait(range(1, 1_001)))
    plain.step(encode(failed))
    assert [(trace_id, spans) for trace_id, spans, _ in bench.delivered] == [
        (trace_id, spans) for trace_id, spans, _ in plain.delivered
    ]


@needs_it
def test_spans_that_will_be_read_are_not_compressed():
    """Spans of traces that would be sampled with their present spans are not compressed."""
    compressed = []
    codec = (lambda segment: compressed.append(bytes(segment)) or zlib.compress(segment), zlib.decompress)
    with patch.object(pending_segments, "_codec", return_value=codec):
        bench, _ = both(tail_sampling("share"))
    ids = [n << 50 for n in range(1, 64)]
    bench.step(spans_that_wait(ids))
    decided = {n: bench.sampler.sampler.decide(bench.sampler.pending_trace(n))[0].sampled for n in ids}
    found = {n: any(f"trace {n};".encode() in segment for segment in compressed) for n in decided}
    assert [n for n, sampled in decided.items() if sampled]
    assert any(found.values())
    assert not [n for n, sampled in decided.items() if sampled and found[n]]


@needs_it
def test_spans_that_will_have_a_budget_are_not_compressed():
    """Where traces compete for budgets, the thresholds of the last round tell which spans will be read."""
    compressed = []
    codec = (lambda segment: compressed.append(bytes(segment)) or zlib.compress(segment), zlib.decompress)
    with patch.object(pending_segments, "_codec", return_value=codec):
        bench, _ = both(tail_sampling("rate"))
    ids = [n << 50 for n in range(1, 64)]
    bench.step(spans_that_wait(ids))
    assert any(f"trace {ids[-1]};".encode() in segment for segment in compressed)  # no round has been yet
    bench.step(6)
    sampled = {trace_id for trace_id, _, _ in bench.delivered}
    assert 0 < len(sampled) < len(ids)
    compressed.clear()
    bench.step(spans_that_wait(1 << 64 | n for n in ids))
    found = {n for n in ids if any(f"trace {1 << 64 | n};".encode() in segment for segment in compressed)}
    assert found
    assert found <= set(ids) - sampled


@needs_it
@pytest.mark.parametrize("codec", [(lambda _: None, None), (None, None)], ids=["no memory", "no library"])
def test_a_segment_that_is_not_compressed_stays_as_it_is(codec):
    """A segment stays uncompressed without the memory for it, or without Zstandard."""
    with patch.object(pending_segments, "_codec", return_value=codec):
        bench, _ = both(tail_sampling("slow"))
    bench.step(spans_that_wait(range(1, 51)))
    slow = [
        Span(n, 99, name="a", start_ns=1, end_ns=10**9, resource=RESOURCES[0], scope=SCOPES[0]) for n in range(1, 51)
    ]
    bench.step(encode(slow))
    assert len(bench.delivered) == 50


@needs_it
def test_a_segment_stays_as_it_is_without_the_memory_to_compress_it(monkeypatch):
    """A MemoryError in the compressor loses no span and is not raised."""
    compressor = Mock(compress=Mock(side_effect=MemoryError))
    monkeypatch.setattr("zstandard.ZstdCompressor", lambda **_: compressor)
    bench, _ = both(tail_sampling("slow"))
    bench.step(spans_that_wait(range(1, 51)))
    assert compressor.compress.called
    assert bench.sampler.pending == (50, 50)


@pytest.mark.parametrize("in_c", [pytest.param(True, marks=needs_it), False])
def test_any_number_of_traces_may_wait(in_c):
    """`num_traces` may be as large as the Collector accepts, which means that no trace is evicted."""
    bench = WireBench(tail_sampling("all", settings=f"    num_traces: {2**63 - 1}"), in_c=in_c)
    bench.step(encode([Span(1, 1, name="a", resource=RESOURCES[0], scope=SCOPES[0])]))
    assert len(bench.delivered) == 1


@needs_it
def test_unusual_spans_are_in_the_sum_too():
    """`pending_bytes` includes spans that wait as objects."""
    bench, _ = both(tail_sampling("error"))
    empty = bench.sampler.pending_bytes
    span = Span(1, 1, name="n" * 5_000, status=-1, resource=RESOURCES[0], scope=SCOPES[0])
    bench.step(encode([span]))
    assert bench.sampler.pending_bytes - empty > 5_000
    bench.step(7)
    assert bench.sampler.pending_bytes == empty


@needs_it
@given(st.lists(st.tuples(st.integers(1, 2**48 - 1), st.none() | st.integers(0, 3)), max_size=80), st.integers(1, 9))
def test_decisions_are_remembered_alike(steps, limit):
    """Whatever is put in and asked for, in whatever order."""
    decisions = [Decision(sampled=True, reason=str(number), threshold=number) for number in range(4)]
    in_c, plain = compiled.backend.DecisionCache(limit), PlainDecisionCache(limit)
    for number, decision in steps:
        key = number << 16
        if decision is None:
            assert in_c[key] is plain[key]
        else:
            in_c[key] = plain[key] = decisions[decision]
        assert (len(in_c), in_c.size_bytes) == (len(plain), plain.size_bytes)


@needs_it
def test_more_decisions_than_a_word_has_numbers_for_begin_a_new_table():
    """The last is known all the same."""
    in_c, plain = compiled.backend.DecisionCache(100_000), PlainDecisionCache(100_000)
    for number in range(2**16 + 2):
        in_c[number + 1 << 16] = plain[number + 1 << 16] = Decision(sampled=True, reason="a", threshold=number)
    assert in_c[2**16 + 2 << 16] is plain[2**16 + 2 << 16]
    assert len(in_c) == len(plain)
