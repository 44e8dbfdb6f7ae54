"""Errors that come after the root are kept, as by the Collector: no trace is given up before its decision wait is over."""

from __future__ import annotations

import pytest

from otel_fe.collector.decision_lookup import explained
from otel_fe.collector.decision_request import in_words
from otel_fe.model.span import Span
from otel_fe.wire.decode import decode
from tests.corpus.wire import encode
from tests.simulation.late_spans import SECOND, SHAPES, START, Story, background_task, requests
from tests.unit.collector.parts import PipelineBench

TRACES = 200
CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
processors:
  tail_sampling: {{decision_wait: 8s{more}, policies: [{policies}]}}
exporters: {{nop: {{}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}
"""
ERRORS = "{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
SHARE = "{name: rest, type: probabilistic, probabilistic: {sampling_percentage: 10}}"


class Fleet(PipelineBench):
    """A collector whose clock moves from request to request."""

    def __init__(self, *policies, more=""):
        super().__init__(CONFIG.format(policies=", ".join(policies), more=more))
        self.now_s = 0.0
        self.offset_s = self.clock.monotonic_ns() / 1e9

    def at(self, second):
        """Let time pass until a second after the start; ticks fall when they are due."""
        while (due_s := self.now_s + self.due_s()) < second and due_s - self.now_s < 3_600:
            self.clock.advance(max(0.0, due_s - self.now_s))
            self.now_s = due_s
            self.engine.tick()
        self.clock.advance(max(0.0, second - self.now_s))
        self.now_s = max(self.now_s, second)

    def send(self, second, *spans):
        """Send spans at a second after the start."""
        self.at(second)
        self.take(encode(list(spans)))

    def kept(self):
        """Return the spans that left, by trace."""
        found = {}
        for data in self.exporters["nop"].data:
            for trace in decode(data).traces:
                found.setdefault(trace.trace_id, []).extend(trace.spans)
        return found

    @property
    def sampler(self):
        return self.engine.parts.sampled[0].sampler

    def why(self, trace_id):
        """Return what `otel-fe why` prints."""
        return in_words(explained(self.engine, trace_id, self.clock.monotonic_ns()))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_error_is_kept_whole(shape):
    """All 200 traces, with all of their spans, though services flush when they like; the healthy ones are not."""
    fleet = Fleet(ERRORS)
    sent = {}
    for at_s, spans in requests(shape, TRACES, seed=7):
        fleet.send(at_s, *spans)
        for span in spans:
            sent.setdefault(span.trace_id, set()).add(span.span_id)
    fleet.send(40, Span(1, 1, name="healthy"))
    fleet.at(60)
    assert {trace: {span.span_id for span in spans} for trace, spans in fleet.kept().items()} == sent
    assert len(sent) == TRACES
    assert fleet.counters.late == 0
    assert fleet.counters.not_sampled == 1


def test_an_error_leaves_within_the_request_that_brings_it():
    """An error makes its trace's decision final; later spans are exported as they arrive, and are not late."""
    fleet = Fleet(ERRORS, SHARE)
    story = Story(5)
    story.span(1, 0, 0.1, service="gateway")
    story.span(2, 1, 0.2, service="features", error=True)
    story.span(3, 1, 6.0, service="worker")
    (_, root), (_, failed), (_, last) = story.sent
    fleet.send(0.5, root)
    assert not fleet.kept()
    fleet.send(2.0, failed)
    assert {span.span_id for span in fleet.kept()[5]} == {1, 2}
    fleet.send(6.5, last)
    fleet.at(8.0)
    assert {span.span_id for span in fleet.kept()[5]} == {1, 2, 3}
    assert (fleet.counters.late, fleet.counters.late_errors) == (0, 0)
    assert "trigger final_vote: 2 spans" in fleet.why(5)
    assert "after the decision came 1 more span, sent as well" in fleet.why(5)


def test_an_error_after_the_wait_is_lost_and_says_so():
    """A counter of late errors reports it, and so does `why` while the record is kept."""
    fleet = Fleet(ERRORS)
    story = Story(5)
    story.span(1, 0, 0.1, service="gateway")
    story.span(2, 1, 10.0, service="gateway", error=True)
    story.span(3, 1, 10.0, service="gateway")
    (_, root), (_, failed), (_, healthy) = story.sent
    fleet.send(0.5, root)
    fleet.send(11.0, failed, healthy)
    assert not fleet.kept()
    assert (fleet.counters.late, fleet.counters.late_errors, fleet.counters.not_sampled) == (2, 1, 3)
    assert "trigger decision_wait: 1 spans" in fleet.why(5)
    assert "after the decision came 2 more spans, 1 with errors, lost: decision_wait was too short" in fleet.why(5)


@pytest.mark.parametrize(("wait_s", "kept"), [(1.0, False), (5.0, True)])
def test_the_wait_after_the_root_is_honoured(wait_s, kept):
    """An error that comes 3 s after the root's is kept if the wait is longer than that."""
    fleet = Fleet(ERRORS, more=f", decision_wait_after_root_received: {wait_s}s")
    for at_s, spans in requests(background_task, 1, seed=3):
        fleet.send(at_s, *spans)
    fleet.at(30)
    assert bool(fleet.kept()) is kept
    assert fleet.counters.late_errors == (0 if kept else 1)


@pytest.mark.parametrize(
    ("policy", "keeps"),
    [
        ("{name: p, type: span_count, span_count: {min_spans: 3}}", True),
        ("{name: p, type: span_count, span_count: {min_spans: 1, max_spans: 2}}", False),
        ("{name: p, type: latency, latency: {threshold_ms: 900}}", True),
        ("{name: p, type: latency, latency: {threshold_ms: 1, upper_threshold_ms: 900}}", False),
        ("{name: p, type: string_attribute, string_attribute: {key: service.name, values: [worker]}}", True),
        (
            (
                "{name: p, type: string_attribute, string_attribute: {key: service.name, values: [worker], "
                "invert_match: true}}"
            ),
            False,
        ),
        (
            (
                "{name: p, type: not, not: {not_sub_policy: {name: q, type: string_attribute, string_attribute: "
                "{key: service.name, values: [worker]}}}}"
            ),
            False,
        ),
    ],
)
def test_what_a_later_span_changes_counts(policy, keeps):
    """Counts, durations and attributes are those of all spans within the wait, not of those that came with the root."""
    fleet = Fleet(policy)
    story = Story(5)
    story.span(1, 0, 0.1, service="gateway")
    story.span(2, 1, 0.09, service="gateway")
    story.span(3, 1, 3.0, service="worker")
    fleet.send(0.5, story.sent[0][1], story.sent[1][1])
    fleet.send(3.5, story.sent[2][1])
    fleet.at(20)
    assert bool(fleet.kept()) is keeps
    if keeps:
        assert len(fleet.kept()[5]) == 3


def test_a_later_span_may_still_drop_its_trace():
    """An error waits if there is a `drop` policy: what the Collector drops is not kept here."""
    drop = "{name: d, type: drop, drop: {drop_sub_policy: [{name: w, type: string_attribute, string_attribute: {key: service.name, values: [worker]}}]}}"
    fleet = Fleet(drop, ERRORS)
    story = Story(5)
    story.span(1, 0, 0.1, service="gateway", error=True)
    story.span(2, 1, 3.0, service="worker")
    fleet.send(0.5, story.sent[0][1])
    assert not fleet.kept()
    fleet.send(3.5, story.sent[1][1])
    fleet.at(20)
    assert not fleet.kept()
    assert "dropped by d" in fleet.why(5)


def test_a_share_is_decided_after_the_wait_with_its_weight():
    """An error that comes meanwhile makes the weight 1; otherwise the trace stands for ten."""
    fleet = Fleet(ERRORS, SHARE)
    shares = 0
    for number in range(1, 400):
        story = Story(number << 64 | number * 0x9E3779B97F4A7C15 % (1 << 64))
        story.span(1, 0, 0.1, service="gateway")
        fleet.send(0.5, story.sent[0][1])
    assert not fleet.kept()
    fleet.at(20)
    for spans in fleet.kept().values():
        (span,) = spans
        assert span.trace_state == "ot=th:e6666666666666"
        shares += 1
    assert 15 < shares < 80


def test_a_start_that_comes_later_makes_no_trace_slow():
    """A trace without any start seems to last since 1970: it is not kept for that before its wait is over."""
    fleet = Fleet("{name: slow, type: latency, latency: {threshold_ms: 100}}")
    fleet.send(0.5, Span(5, 2, 1, name="odd", end_ns=START))
    assert not fleet.kept()
    fleet.send(1.0, Span(5, 1, name="root", start_ns=START - SECOND // 50, end_ns=START))
    fleet.at(20)
    assert not fleet.kept()
