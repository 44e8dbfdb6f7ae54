"""otel_fe.testing: what it promises to those who test with it."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

import otel_fe
from otel_fe import testing
from otel_fe.testing import FakeClock, SequentialIds, capture

if TYPE_CHECKING:
    from otel_fe.clock import Clock


def test_the_example_in_the_docstring_runs():
    """The examples in the docstrings of `otel_fe.testing` produce the output that they show."""
    results = doctest.testmod(testing)
    assert results.attempted >= 6
    assert results.failed == 0


def test_a_whole_trace_is_one_equality():
    """Counting ids make names, ids and parents of a trace predictable."""
    with capture(ids=SequentialIds(10)) as captured:
        with otel_fe.extraction("outer"), otel_fe.extraction("inner"):
            pass
        with otel_fe.extraction("next"):
            pass
    assert [
        (span.name.split()[-1], span.context.trace_id, span.context.span_id, span.parent and span.parent.span_id)
        for span in captured.extractions()
    ] == [("inner", 10, 11, 10), ("outer", 10, 10, None), ("next", 11, 12, None)]


def test_what_was_captured_can_be_read_within_the_block_and_after_it():
    """Metrics are cumulative: after the block they are what they were at its end."""
    with capture() as captured:
        for _ in range(2):
            with otel_fe.extraction("x"):
                pass
            seen = captured.total("feature_extraction.duration", feature_extraction__feature_set="x")
            assert seen == len(captured.extractions("x"))
    assert captured.total("feature_extraction.duration") == 2
    assert captured.points("no.such.metric") == []
    with otel_fe.extraction("x") as off:
        off.cache_hit()
    assert len(captured.spans) == 2


def test_the_only_extraction_is_found_or_the_others_are_named():
    """The message says what there was instead."""
    with capture() as captured:
        with pytest.raises(AssertionError, match="expected one extraction, found 0; captured: no extraction"):
            captured.extraction()
        with otel_fe.extraction("user_profile", library="plain"):
            pass
        with otel_fe.extraction():
            pass
    assert captured.extraction("user_profile").attributes["feature_extraction.library"] == "plain"
    assert captured.extraction("").name == "feature_extraction"
    with pytest.raises(AssertionError, match="found 0; captured: feature_extraction user_profile, feature_extraction"):
        captured.extraction("user")
    with pytest.raises(AssertionError, match="expected one extraction, found 2"):
        captured.extraction()


def test_a_process_is_captured_once_at_a_time():
    """A second capture, or one of an instrumented process, would see nothing: it says so, and the first goes on."""
    with capture() as captured:
        with pytest.raises(otel_fe.OtelFeError, match="instrumented already"), capture():
            pass
        with otel_fe.extraction("x"):
            pass
    assert captured.extraction("x")
    with pytest.raises(TypeError, match="no_such_setting"), capture(no_such_setting=1):
        pass
    with capture(baseline_ratio=0.0) as captured, otel_fe.extraction("x"):
        pass
    assert captured.spans == ()
    assert captured.total("feature_extraction.duration") == 1


def test_a_fake_clock_moves_when_told():
    """A fake clock moves wall and monotonic time together, never backwards."""
    clock = FakeClock(time_ns=1_000, monotonic_ns=5)
    told: Clock = clock
    assert (told.time_ns(), told.monotonic_ns()) == (1_000, 5)
    clock.advance(1.5)
    clock.advance(ns=7)
    assert (clock.time_ns(), clock.monotonic_ns()) == (1_500_001_007, 1_500_000_012)
    with pytest.raises(ValueError, match="-1000000000 ns: a monotonic clock cannot go backwards"):
        clock.advance(-1)
    assert clock.time_ns() == 1_500_001_007


def test_a_fake_clock_drives_the_engine():
    """A trace whose root has ended waits for its child exactly as long as the setting says."""
    from otel_fe.config.settings import Settings
    from otel_fe.pipeline.engine import Engine

    clock, kept = FakeClock(), []
    engine = Engine(
        Settings(baseline_ratio=1.0, decision_wait_s=10.0), clock, lambda _: 0, lambda *a: kept.append(a) or ""
    )
    trace = engine.assembler.started(1, None, None, root=True)
    engine.assembler.started(1, trace, None, root=False)
    engine.assembler.ended(trace, "root", start_ns=0, end_ns=1, error=False, size=1, root=True)
    clock.advance(10, ns=-1)
    engine.assembler.decide_overdue()
    assert kept == []
    clock.advance(ns=1)
    engine.assembler.decide_overdue()
    assert len(kept) == 1
