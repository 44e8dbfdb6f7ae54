from __future__ import annotations

from fractions import Fraction

from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.burn_alert_state import burn_alert_states
from otel_fe.units import HOUR_NS, MINUTE_NS
from tests.simulation.minutes import slo

ERRORS = slo(Fraction("0.99"))


def first(long, short):
    """Return the state of the page on 1 h and 5 m."""
    return burn_alert_states(ERRORS, {HOUR_NS: EventCounts(*long), 5 * MINUTE_NS: EventCounts(*short)})[0]


def test_both_windows_have_to_exceed_the_share():
    """The long one matters, the short one says that it goes on."""
    assert first((2000, 10_000), (200, 1000)).true
    assert not first((2000, 10_000), (144, 1000)).true  # exactly at the share
    assert not first((1440, 10_000), (900, 1000)).true
    assert not first((2000, 10_000), (0, 0)).true


def test_the_short_window_needs_no_confidence():
    """A single bad event of one keeps the short window burning."""
    assert first((2000, 10_000), (1, 1)).true


def test_without_events_nothing_burns():
    """No alert burns without events, and no rate is reported."""
    state = burn_alert_states(ERRORS, {})[0]
    assert (state.true, state.rate, state.rate_at_least) == (False, None, None)
    assert state.describe() == "no events in the last 1h"


def test_it_says_what_was_counted():
    """The alert states the counts, the rate, and the rate's lower bound."""
    assert first((2000, 10_000), (200, 1000)).describe() == (
        "2000 of 10000 (20 %) bad in the last 1h: 20x the budget, surely more than 18.8x; "
        "fires at more than 14.4 % bad in the last 1h and in the last 5m (14.4x the budget)"
    )


def test_without_a_budget_any_bad_event_counts():
    """An objective of 100 %."""
    memory = slo(Fraction(1))
    (state,) = burn_alert_states(memory, {HOUR_NS: EventCounts(1, 10**6)})
    assert (state.true, state.rate, state.rate_at_least) == (True, None, None)
    assert state.describe() == "1 of 1000000 (0.0001 %) bad in the last 1h; fires at any bad event in the last 1h"
    assert not burn_alert_states(memory, {HOUR_NS: EventCounts(0, 10**6)})[0].true
