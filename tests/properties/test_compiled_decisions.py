"""Decisions in C, against the plain way: the same for everything that spans and policies can say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.collector.wire.decode import Decoder
from otel_fe.model.decision import Decision
from otel_fe.model.span import ERROR, Resource, Scope, Span
from otel_fe.pipeline.remembered import PlainRemembered
from otel_fe.pipeline.tail_sampler import TailSampler
from tests.corpus.wire import encode
from tests.properties.traffic import RESOURCES, SCOPES, SPANS, HandClock, tail_sampling

RULED = ("all", "error", "slow", "between", "share", "salted", "flags", "count")
"""Policies that go by rules."""
NAMES = st.lists(st.sampled_from(RULED), min_size=1, max_size=4, unique=True)

USUAL = st.builds(
    Span,
    trace_id=st.integers(1, 12),
    span_id=st.integers(1, 6),
    name=st.sampled_from(["a", "b"]),
    start_ns=st.sampled_from([0, 1, 10**9]),
    end_ns=st.sampled_from(
        [0, 2, 10**9, 10**9 + 11_000_000, 10**9 + 150_000_000, 10**9 + 500_000_000, 2**63, 2**64 - 1]
    ),
    status=st.sampled_from([0, 0, 1, 2]),
    trace_state=st.sampled_from(["", "", "", "", "", "", "ot=th:8", "a=b"]),
    flags=st.sampled_from([0, 0, 0, 1, 2, 2**32 - 1]),
    attributes=st.just({"n": 1}),
    resource=st.sampled_from(RESOURCES),
    scope=st.sampled_from(SCOPES),
)
"""What is read in C, and decided by rules unless it says how it was sampled."""

needs_it = pytest.mark.skipif(compiled.spans is None, reason="not compiled, or switched off")


class Bench:
    """A sampler at the end of the wire."""

    def __init__(self, settings, *, by_rules):
        self.delivered = []
        self.sampler = TailSampler(settings, HandClock(), self._deliver)
        if by_rules:
            assert self.sampler._ruled is not None
        else:
            self.sampler._ruled = None
        self.decode = Decoder().decode

    def _deliver(self, trace_id, spans, decision):
        """The store takes a trace's record when it is delivered: it must be the newest then, unless its spans are late."""
        if not any(trace_id == before for before, _, _ in self.delivered):
            (newest,) = self.sampler.records.last(1)
            assert newest.trace_id == trace_id
        self.delivered.append((trace_id, [span.raw for span in spans], decision))
        return ""

    def receive(self, payload):
        """Take a request."""
        self.sampler.receive_all(self.decode(payload, sized=True).traces, 5)

    def outcome(self):
        """Return all that can be told of what has been decided, and what is pending."""
        sampler, counters = self.sampler, self.sampler.counters
        records = {(r.trace_id, r.trigger): r.as_dict() for r in sampler.records.last(1_000)}
        counts = {name: value for name, value in vars(counters).items() if name != "lock"}
        return records, counts, sorted(self.delivered, key=repr), sampler.pending, len(sampler._remembered)


def whole(spans):
    """Make the spans of each trace a whole one: the first is the root, the others are its children and call nobody."""
    roots = {}
    for span in spans:
        root = roots.setdefault(span.trace_id, span)
        span.parent_id = 0 if span is root else root.span_id
        span.kind = 1
    return spans


@needs_it
@given(
    NAMES,
    st.lists(st.lists(USUAL, max_size=9) | st.lists(SPANS, max_size=6), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 400),
    st.booleans(),
)
def test_decisions_are_those_of_the_plain_way(names, requests, makes_whole, limit, first):
    """Votes, records, counts, what is kept and what is pending, and what becomes of spans that come later."""
    more = f"    maximum_trace_size_bytes: {limit}\n    sample_on_first_match: {str(first).lower()}"
    settings = tail_sampling(*names, settings=more)
    in_c, plain = Bench(settings, by_rules=True), Bench(settings, by_rules=False)
    for spans in requests:
        payload = encode(whole(spans) if makes_whole else spans)
        in_c.receive(payload)
        plain.receive(payload)
        assert in_c.outcome() == plain.outcome()
    for bench in (in_c, plain):
        bench.sampler.close()
    assert in_c.outcome() == plain.outcome()


@needs_it
@given(st.lists(USUAL, min_size=1, max_size=6))
def test_whole_traces_are_not_left_to_the_plain_way(spans):
    """What says how it was sampled, or ends before it starts, would be."""
    for span in spans:
        span.trace_state, span.start_ns, span.end_ns = "", 1, 2
    bench = Bench(tail_sampling("error", "slow"), by_rules=True)
    traces = bench.decode(encode(whole(spans)), sized=False).traces
    assert bench.sampler._decide_by_rules(bench.sampler._ruled, traces) == []
    failed = {span.trace_id for span in spans if span.status == ERROR}
    assert sum(len(raws) for _, raws, _ in bench.delivered) == sum(span.trace_id in failed for span in spans)
    assert bench.sampler.counters.not_sampled == sum(span.trace_id not in failed for span in spans)


@needs_it
def test_where_all_places_are_taken_nothing_is_dismissed():
    """A new trace makes the oldest's decision come early, whoever decides it."""
    settings = tail_sampling("error", settings="    num_traces: 1")
    outcomes = []
    for by_rules in (True, False):
        bench = Bench(settings, by_rules=by_rules)
        for trace_id, parent_id in ((1, 9), (2, 0)):
            bench.receive(encode([_span(trace_id, parent_id)]))
        assert bench.sampler.counters.evicted == {"num_traces": 1}
        outcomes.append(bench.outcome())
    assert outcomes[0] == outcomes[1]


def _span(trace_id, parent_id):
    return Span(trace_id, 1, parent_id=parent_id, name="a", resource=Resource({}), scope=Scope())


@needs_it
@pytest.mark.parametrize("name", ["string", "ottl", "rate", "drop", "and"])
def test_policies_that_are_more_than_rules_are_asked(name):
    """One of them, and every trace is left to the plain way."""
    sampler = TailSampler(tail_sampling("error", name), HandClock(), lambda *_: "")
    assert sampler._ruled is None


@needs_it
@given(st.lists(st.tuples(st.integers(1, 2**48 - 1), st.none() | st.integers(0, 3)), max_size=80), st.integers(1, 9))
def test_decisions_are_remembered_alike(steps, limit):
    """Whatever is put in and asked for, in whatever order."""
    decisions = [Decision(sampled=True, reason=str(number), threshold=number) for number in range(4)]
    in_c, plain = compiled.spans.Remembered(limit), PlainRemembered(limit)
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
    in_c, plain = compiled.spans.Remembered(100_000), PlainRemembered(100_000)
    for number in range(2**16 + 2):
        in_c[number + 1 << 16] = plain[number + 1 << 16] = Decision(sampled=True, reason="a", threshold=number)
    assert in_c[2**16 + 2 << 16] is plain[2**16 + 2 << 16]
    assert len(in_c) == len(plain)
