"""The capacity model against real services, as `tests/bench/capacity.py` recorded them; nothing is timed here.

Each recording has a service at half of its load to all of it, which the model is given, and the steps to 1.5 times, twice and beyond the
knee that followed. tests/bench/README.md has the machine and the course of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.capacity import compared
from tests.bench.capacity_recording import knee, steps

FOLDER = Path(__file__).parent / "recorded"
FIRST = {"postgres": "postgresql://", "asyncio": "event loop", "cpu": "Python interpreter (GIL)"}


@pytest.fixture(scope="module", params=FIRST)
def recording(request):
    return json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))


def test_a_recorded_service_was_predicted(recording):
    """p95 at 1.5 and 2 times, and the knee: within 20 % and in the interval; the resource that was short is named."""
    figures = compared(recording)
    assert figures.refused == ""
    assert figures.first.startswith(FIRST[recording["kind"]])
    assert set(figures.p95_ms) == {"1.5x", "2x"}
    for predicted, low, high, measured in (*figures.p95_ms.values(), figures.knee_per_s):
        assert predicted == pytest.approx(measured, rel=0.2)
        assert low <= predicted <= high
    for _, low, high, measured in figures.p95_ms.values():
        assert low <= measured <= high


def test_a_recording_reaches_beyond_the_knee(recording):
    """The recording has steps at 1.5 and 2 times today's rate, and some on both sides of the knee."""
    rates = [one.rate for one in steps(recording)]
    assert rates[0] == pytest.approx(1.5 * recording["today_per_s"], rel=0.1)
    assert rates[1] == pytest.approx(2 * recording["today_per_s"], rel=0.1)
    assert min(rates) < knee(recording) <= max(rates)
    assert recording["late_p99_s"] < 0.01
