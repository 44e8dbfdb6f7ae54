"""Decisions in C, against the plain way: the same for everything that spans and policies can say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.model.decision import Decision
from otel_fe.model.span import Span
from otel_fe.pipeline.remembered import PlainRemembered
from tests.properties.traffic import RESOURCES, SCOPES

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
