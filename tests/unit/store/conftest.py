"""Fixtures of the store's tests."""

from __future__ import annotations

import pytest

from otel_fe.testing import FakeClock
from tests.unit.store.parts import HOUR, T0, bed


@pytest.fixture
def store(tmp_path):
    """Return a store in an empty directory; its clock is two hours past `T0`."""
    with bed(tmp_path / "store", clock=FakeClock(T0 + 2 * HOUR)) as made:
        yield made
