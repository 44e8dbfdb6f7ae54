"""Invariants of alerts for every input, with a given clock."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from otel_fe.alerting.alert import AlertType, Severity, State
from otel_fe.alerting.alert_state import AlertStateTable
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.likely_cause import Likely
from otel_fe.alerting.rule import Rule
from otel_fe.live.view import ExtractionGroup
from otel_fe.testing import FakeClock

RULES = st.builds(
    lambda for_s, clear_for_s, cooldown_s: Rule(
        AlertType.LATENCY_THRESHOLD,
        "p95 latency",
        100.0,
        90.0,
        "ms",
        Severity.PAGE,
        for_s=for_s,
        clear_for_s=clear_for_s,
        cooldown_s=cooldown_s,
    ),
    st.sampled_from([0.0, 10.0, 60.0]),
    st.sampled_from([0.0, 10.0, 60.0]),
    st.sampled_from([0.0, 60.0, 600.0]),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 400),  # seconds since the one before
        st.sampled_from([None, "unknown", 80.0, 95.0, 100.0, 500.0]),
        st.booleans(),  # silenced
    ),
    max_size=80,
)


def _reading(rule, value, feature_set="a"):
    if value == "unknown":
        return Evaluation(rule, 0.0, holds=False, over=False, group=ExtractionGroup("", feature_set), known=False)
    return Evaluation(rule, value, rule.reached(value), rule.over(value), 50, ExtractionGroup("", feature_set))


def _play(rule, steps, *, explain=lambda _: (Likely(), ()), jumps=(0,)):
    clock = FakeClock()
    board = AlertStateTable(clock, explain)
    told = []
    for (seconds, value, silenced), jump_s in zip(steps, itertools.cycle(jumps), strict=False):
        clock.advance(seconds)
        clock.jump(jump_s)
        readings = [] if value is None else [_reading(rule, value)]
        told += [(clock.monotonic_ns() / 1e9, one) for one in board.take(readings, lambda _, s=silenced: s)]
    return clock, board, told


@given(RULES, STEPS, st.lists(st.sampled_from([0, 40, -40, 3600, -3600]), min_size=1, max_size=80))
def test_jumps_of_the_wall_clock_change_no_transition(rule, steps, jumps):
    """An alert fires and resolves when it would have; only the Unix times that it shows jump."""
    _, _, told = _play(rule, steps)
    _, _, jumped = _play(rule, steps, jumps=jumps)
    assert [(at, one.state) for at, one in jumped] == [(at, one.state) for at, one in told]


@given(RULES, STEPS)
def test_a_flapping_input_does_not_page_twice(rule, steps):
    """An alert is sent at most once per cooldown, and exactly one resolution follows before the next."""
    clock, board, told = _play(rule, steps)
    states = [alert.state for _, alert in told]
    assert states[::2] == [State.FIRING] * len(states[::2])
    assert states[1::2] == [State.RESOLVED] * len(states[1::2])
    fired = [at for at, alert in told if alert.state is State.FIRING]
    assert all(later - earlier >= rule.cooldown_s for earlier, later in zip(fired, fired[1:], strict=False))
    # What is still open is closed by a quiet quarter of an hour, exactly once.
    after = []
    for _ in range(90):
        clock.advance(10)
        after += board.take([_reading(rule, 80.0)], lambda _: False)
    assert [one.state for one in after] == [State.RESOLVED] * (len(states) % 2)
    assert board.alerts(State.FIRING) == board.alerts(State.PENDING) == []


@given(RULES, STEPS)
def test_times_of_an_alert_are_in_order(rule, steps):
    """An alert begins, fires after `for_s` and is resolved, in this order; a value below the threshold never fires."""
    _, _, told = _play(rule, steps)
    for _, alert in told:
        assert alert.fired_unix_s - alert.since_unix_s >= rule.for_s
        if alert.state is State.RESOLVED:
            assert alert.resolved_unix_s >= alert.fired_unix_s
            assert alert.resolution in {"recovered", "no data"}
    if not any(value in (100.0, 500.0) for _, value, _ in steps):
        assert not told


@given(STEPS)
def test_a_value_between_the_thresholds_never_changes_anything(steps):
    """Hysteresis: the same story with 95 ms left out tells the same, but for the end for want of data."""
    rule = Rule(
        AlertType.LATENCY_THRESHOLD, "p95 latency", 100.0, 90.0, "ms", Severity.PAGE, clear_for_s=0.0, cooldown_s=0.0
    )
    short = [(min(seconds, 3), value, False) for seconds, value, _ in steps]
    kept = [(seconds, None if value == 95.0 else value, silent) for seconds, value, silent in short]
    assert [alert.state for _, alert in _play(rule, short)[2]] == [alert.state for _, alert in _play(rule, kept)[2]]


@given(st.lists(st.sampled_from([80.0, 500.0]), min_size=1, max_size=60))
def test_an_input_that_flaps_faster_than_it_clears_pages_once(values):
    """Every ten seconds the opposite: one page, and one resolution in the end."""
    rule = Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 100.0, 90.0, "ms", Severity.PAGE)
    flapping = [(10, 500.0 if number % 2 else 80.0, False) for number in range(len(values) * 2)]
    _, _, told = _play(rule, flapping)
    assert [alert.state for _, alert in told] == [State.FIRING]


def test_keys_are_bounded_and_do_not_mix():
    """Each feature set has a life of its own; beyond the bound they are counted and not followed."""
    from otel_fe.alerting import alert_state as module

    clock = FakeClock()
    board = AlertStateTable(clock, lambda _: (Likely(), ()))
    rule = Rule(AlertType.LATENCY_THRESHOLD, "p95 latency", 100.0, 90.0, "ms", Severity.PAGE)
    readings = [_reading(rule, 500.0, f"set/{number}") for number in range(module.MAX_TRACKS + 5)]
    told = board.take(readings, lambda _: False)
    assert len({alert.key for alert in told}) == module.MAX_TRACKS
    assert board.left_out == 5
