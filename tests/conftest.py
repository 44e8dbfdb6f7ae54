"""What holds for all tests."""

from __future__ import annotations

import threading

import pytest

try:
    from hypothesis import settings
except ImportError:  # some tests also run in environments that hold one library and pytest (tests/venvs.py)
    pass
else:
    # No test is a timing: a slow machine must not fail one, and hypothesis' deadline of 200 ms would.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")

_EXPORTING = ("OtelBatch", "OtelPeriodic")
"""How the names of the SDK's own exporting threads begin."""


def _exporting() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(_EXPORTING)}


@pytest.fixture(autouse=True)
def no_exporter_left_behind():
    """Fail a test that leaves an exporter running in this process.

    It would send to wherever a collector should be for as long as all the other tests last; the retries draw random numbers,
    which hypothesis notices in tests that have nothing to do with it.
    """
    before = _exporting()
    yield
    assert not _exporting() - before
