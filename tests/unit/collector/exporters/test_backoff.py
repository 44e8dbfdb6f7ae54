"""The waits of `retry_on_failure`, to the nanosecond."""

from __future__ import annotations

import pytest

from otel_fe.collector.exporters.backoff import Backoff
from otel_fe.config.sending import Retry

S = 1_000_000_000


def waits(retry, random=lambda: 0.5, count=6):
    backoff = Backoff(retry, random, 0)
    return [backoff.wait_ns(0) for _ in range(count)]


def test_grows_by_the_multiplier_up_to_the_bound():
    retry = Retry(initial_interval_ns=5 * S, randomization_factor=0, multiplier=1.5, max_interval_ns=20 * S)
    assert waits(retry) == [5 * S, int(7.5 * S), int(11.25 * S), int(16.875 * S), 20 * S, 20 * S]


@pytest.mark.parametrize(("random", "wait"), [(0.0, int(2.5 * S)), (0.5, 5 * S), (1 - 2**-53, int(7.5 * S))])
def test_is_drawn_from_around_the_interval(random, wait):
    """[interval x (1 - factor), interval x (1 + factor)], both ends included."""
    assert waits(Retry(), lambda: random, 1) == [wait]


def test_randomness_does_not_add_up():
    """Each interval is drawn around its nominal value, not around the one drawn before."""
    assert waits(Retry(), lambda: 0.0, 2) == [int(2.5 * S), int(3.75 * S)]


def test_an_initial_interval_beyond_the_bound_holds_once():
    retry = Retry(initial_interval_ns=60 * S, randomization_factor=0, max_interval_ns=30 * S)
    assert waits(retry, count=2) == [60 * S, 30 * S]


def test_gives_up_when_the_next_try_would_begin_after_the_end():
    retry = Retry(initial_interval_ns=5 * S, randomization_factor=0, max_elapsed_time_ns=10 * S)
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(5 * S) == 5 * S
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(5 * S + 1) is None


def test_never_gives_up_where_there_is_no_end():
    retry = Retry(max_elapsed_time_ns=0)
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(10**6 * S) is not None


def test_the_backends_wait_is_a_lower_bound():
    retry = Retry(initial_interval_ns=5 * S, randomization_factor=0, max_elapsed_time_ns=60 * S)
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(0, asked_ns=1 * S) == 5 * S
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(0, asked_ns=9 * S) == 9 * S
    assert Backoff(retry, lambda: 0.5, 0).wait_ns(0, asked_ns=61 * S) is None


@pytest.mark.parametrize("multiplier", [0.0, 1.0])
def test_odd_multipliers_are_taken_as_they_are(multiplier):
    retry = Retry(initial_interval_ns=S, randomization_factor=0, multiplier=multiplier)
    assert waits(retry, count=3) == [S, S, S]
