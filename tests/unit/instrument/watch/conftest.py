"""Fixtures of the watcher's tests."""

from __future__ import annotations

import pytest

from otel_fe import faults
from tests.observed import instrumented


@pytest.fixture
def watched():
    """Instrument with a short threshold: everything is slow that takes 40 ms."""
    faults.reset()
    with instrumented(slow_threshold_s=0.04, watch_threshold_s=0.005) as observed:
        yield observed
    assert not faults.counts()
