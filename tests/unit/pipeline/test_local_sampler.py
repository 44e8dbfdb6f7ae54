"""The sampler of local traces: its shortcut decides as its policies do, and the process's own policies are ordinary ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.policies import (
    AlwaysSample,
    ConsistentShare,
    Latency,
    LeastDuration,
    Not,
    SloBreach,
    StatusCode,
    TailSampling,
)
from otel_fe.config.process_sampling import process_sampling
from otel_fe.config.settings import Settings
from otel_fe.model.decision import NOT_SAMPLED
from otel_fe.model.probability import NEVER, threshold_of
from otel_fe.model.span import ERROR, OK, Span
from otel_fe.pipeline.local_sampler import LocalSampler, bounds_of
from otel_fe.pipeline.policies.factory import evaluator_of
from otel_fe.pipeline.trace import LocalTrace
from otel_fe.semconv import SLO_BREACHED
from otel_fe.testing import FakeClock

MS = 1_000_000
DEFAULT = process_sampling(Settings())


def local(trace_id, duration_ns, *, error=False, breached=False, entry=None):
    """A complete trace of one span, as the assembler hands it over."""
    trace = LocalTrace(trace_id, entry)
    attributes = {SLO_BREACHED: ("latency",)} if breached else {}
    state = f"ot={entry}" if entry else ""
    trace.spans = [
        Span(trace_id, 1, end_ns=duration_ns, status=ERROR if error else 0, attributes=attributes, trace_state=state)
    ]
    trace.end_ns, trace.error, trace.slo_breached = duration_ns, error, breached
    return trace


def sampler(settings=DEFAULT):
    """A sampler whose spans are their own views."""
    return LocalSampler(settings, FakeClock(1), lambda span: span)


@given(
    st.lists(
        st.builds(
            local,
            st.integers(1, (1 << 128) - 1)
            | st.sampled_from([1, NEVER - 1, threshold_of(0.05), threshold_of(0.05) - 1]),
            st.sampled_from([0, 1, 99_999_999, 100_000_000, 5_000_000_000]),
            error=st.booleans(),
            breached=st.booleans(),
            entry=st.sampled_from([None, "rv:fffffffffffffe", "rv:00000000000001", "th:8"]),
        ),
        max_size=8,
    )
)
def test_shortcut_decides_and_explains_as_the_policies_do_by_the_spans(traces):
    """A policy that the shortcut does not know, and that changes nothing, makes the other sampler look at every span."""
    changes_nothing = Not("never", AlwaysSample("always"))
    quick, thorough = sampler(), sampler(TailSampling((*DEFAULT.policies, changes_nothing)))
    assert bounds_of([evaluator_of(changes_nothing)]) is None
    assert quick.decide(traces) == thorough.decide(traces)
    for trace in traces:
        one, other = quick.explain(trace.trace_id), thorough.explain(trace.trace_id)
        assert (one.outcome, one.trigger, one.spans, one.duration_ns) == (
            *(other.outcome, other.trigger, other.spans, other.duration_ns),
        )
        assert [(v.policy, v.vote) for v in one.votes] == [(v.policy, v.vote) for v in other.votes[:-1]]
        assert [v.saw for v in one.votes[1:]] == [v.saw for v in other.votes[1:-1]]


def test_every_policy_of_the_default_votes_and_the_first_that_samples_names_the_reason():
    running = sampler()
    (decision,) = running.decide([local(1, 100 * MS, error=True, breached=True)])
    assert (decision.reason, decision.weight) == ("error", 1.0)
    assert [f"{vote.policy} {vote.vote}: {vote.saw}" for vote in running.explain(1).votes] == [
        "error sampled: status ERROR, wanted ERROR",
        "slow sampled: 100 ms ≥ 100 ms",
        "slo sampled: an SLO is broken",
        "baseline not sampled: randomness 0.000000, sampled from 0.950000 (0.05 of all)",
    ]


def test_share_of_healthy_traces_weighs_what_it_stands_for():
    kept, dropped = sampler().decide([local(NEVER - 1, 1), local(1, 1)])
    assert (kept.reason, round(kept.weight, 2)) == ("baseline", 20.0)
    assert dropped == NOT_SAMPLED


@pytest.mark.parametrize(
    ("policies", "slow_ns", "immediately"),
    [
        (DEFAULT.policies, 100 * MS, True),
        ((Latency("slow", 99), StatusCode("failed", frozenset([ERROR]))), 100 * MS, False),
        ((StatusCode("failed", frozenset([ERROR])), SloBreach("slo")), None, True),
    ],
)
def test_traces_that_policies_always_keep_are_decided_at_once(policies, slow_ns, immediately):
    running = sampler(TailSampling(policies))
    assert running.decides_immediately is immediately
    assert running.slow_ns == slow_ns or (slow_ns is None and running.slow_ns > 1 << 60)


@pytest.mark.parametrize(
    "policies",
    [
        (Latency("slow", 99, 200),),
        (Latency("slow", 99), LeastDuration("slower", 1)),
        (ConsistentShare("a", 0.1), ConsistentShare("b", 0.2)),
        (StatusCode("any", frozenset([OK, ERROR])),),
        (Not("no", SloBreach("slo")),),
    ],
)
def test_policies_that_ask_for_more_than_sums_have_no_shortcut(policies):
    assert bounds_of([evaluator_of(policy) for policy in policies]) is None


def test_duration_policy_is_inclusive_to_the_nanosecond():
    running = sampler(TailSampling((LeastDuration("slow", 1_500_001),)))
    assert [one.sampled for one in running.decide([local(1, 1_500_000), local(2, 1_500_001)])] == [False, True]
    assert running.explain(1).votes[0].saw == "1.5 ms < 1.500001 ms"
