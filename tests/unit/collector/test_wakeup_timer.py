"""The wake-up timer sets when the ticking thread looks next."""

from __future__ import annotations

import threading

import pytest

from otel_fe.clock import FAR_NS, SystemClock
from otel_fe.collector.wakeup_timer import WakeupTimer

_SLACK_NS = 50_000_000
_PATIENCE_S = 30


@pytest.fixture
def alarm():
    made = WakeupTimer(SystemClock())
    assert made.wait(), "the first round is at once"
    yield made
    made.stop()


def waited_ns(alarm: WakeupTimer) -> int:
    """Return how long `wait` took."""
    begun = SystemClock.monotonic_ns()
    assert alarm.wait()
    return SystemClock.monotonic_ns() - begun


def test_rounds_have_a_distance(alarm):
    """Rounds keep a minimum distance, however overdue the deadline is."""
    alarm.by(0)
    assert waited_ns(alarm) >= _SLACK_NS


def test_what_is_due_sooner_counts(alarm):
    now_ns = SystemClock.monotonic_ns()
    alarm.by(now_ns + 2_000_000_000)
    alarm.by(now_ns + 100_000_000)
    alarm.by(now_ns + 1_000_000_000)
    alarm.by(FAR_NS)
    assert 100_000_000 <= waited_ns(alarm) < 1_000_000_000


def test_one_who_waits_is_woken(alarm):
    """An earlier deadline wakes a waiting thread."""
    woken = threading.Event()
    waiting = threading.Thread(target=lambda: alarm.wait() and woken.set())
    waiting.start()
    alarm.by(SystemClock.monotonic_ns())
    assert woken.wait(1), "rather than after five seconds"
    waiting.join(_PATIENCE_S)


def test_it_is_time_now_and_then_whatever_is_said(alarm, monkeypatch):
    monkeypatch.setattr("otel_fe.collector.wakeup_timer._LONGEST_NS", _SLACK_NS)
    alarm.by(0)
    alarm.wait()
    assert waited_ns(alarm) < _PATIENCE_S * 1e9


def test_stopped(alarm):
    """`stop()` ends every `wait()`, which then returns False."""
    told = []
    waiting = threading.Thread(target=lambda: told.append(alarm.wait()))
    waiting.start()
    alarm.stop()
    waiting.join(_PATIENCE_S)
    assert told == [False]
    assert not alarm.wait()
