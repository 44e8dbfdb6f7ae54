"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest

from tests.observed import instrumented


@pytest.fixture
def observed():
    """Instrument this process, keep every trace, and return what leaves it."""
    with instrumented() as found:
        yield found
