"""Capacity, predicted and measured: `make bench ARGS=capacity`.

Four services, each in a process of its own under a Poisson load: threads with a real SQLAlchemy pool over SQLite, or over PostgreSQL, and
a real Redis; tasks of an event loop with a real Redis; threads that compute. The load goes from half of today's to today's and back, and
is then stepped to 1.5 and 2 times today's, and to where p95 leaves the objective. The model is fitted to the first part alone.

`python -m tests.bench.capacity KIND [FILE]` records one of them (under four minutes), writes the recording, and compares.
"""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_fe.capacity.answer import LatencyRequirement, answer
from otel_fe.capacity.fitted import fitted
from otel_fe.capacity.model import rate_of
from otel_fe.forecast.forecast_error import ForecastError
from tests.bench import capacity_recording as recorded
from tests.bench.bed import Bed
from tests.bench.capacity_load import KINDS, Plan, apart, record

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_QUICK = Plan(window_s=1.5, step_s=3.0, knee_steps=3, knee_step_s=3.0)


@dataclass(frozen=True, slots=True)
class CapacityFigures:
    """One service."""

    kind: str
    refused: str
    p95_ms: dict[str, tuple[float, float, float, float]]
    """By factor: predicted, low, high, measured."""
    knee_per_s: tuple[float, float, float, float]
    """A method of an actor is watched like a task."""
    first: str
    """The resource that was predicted to give out first."""


def compared(recording: Mapping[str, Any]) -> CapacityFigures:
    """Return what the model says of a recorded service beside what was measured then."""
    kind = recording["kind"]
    seen = recorded.measured(recording)
    try:
        model = fitted(seen)
    except ForecastError as error:
        nothing = (math.nan,) * 4
        return CapacityFigures(kind, str(error), {}, nothing, "")
    wanted = [LatencyRequirement("latency", recording["limit_s"], 0.95)]
    now = rate_of(seen.windows[-3:])
    shown = {}
    for name, step in zip(("1.5x", "2x"), recorded.steps(recording), strict=False):
        said = answer(model, wanted, step.rate / now)
        then = said.p95_then_s
        shown[name] = (*(1e3 * one for one in (then.value, then.low, then.high)), 1e3 * step.p95_s)
    room = said.headroom
    return CapacityFigures(kind, "", shown, (room.value, room.low, room.high, recorded.knee(recording)), said.first)


@contextmanager
def _database(kind: str, bed: Bed) -> Generator[str]:
    """Run the database of a kind; yields its URL."""
    if kind != "postgres":
        yield f"sqlite:///{bed.database}"
        return
    from tests.integration.servers import postgres_server  # needs pytest

    with postgres_server() as url:
        yield url


def _recorded(kind: str, bed: Bed, plan: Plan) -> dict[str, Any]:
    with apart() as core, _database(kind, bed) as database:
        return record(KINDS[kind], bed.socket, database, plan, core)


def run_capacity(bed: Bed, *, quick: bool) -> list[CapacityFigures]:
    """Return the figures of each kind of service; quick ones are of few seconds."""
    return [compared(_recorded(kind, bed, _QUICK if quick else Plan())) for kind in KINDS]


def main() -> None:
    """Record one kind of service, or read a recording, and print the comparison."""
    kind, *files = [one for one in sys.argv[1:] if one != "--quick"]
    if kind in KINDS:
        with Bed() as bed:
            recording = _recorded(kind, bed, _QUICK if "--quick" in sys.argv else Plan())
        if files:
            Path(files[0]).write_text(json.dumps(recording), encoding="utf-8")
    else:
        recording = json.loads(Path(kind).read_text(encoding="utf-8"))
    print(compared(recording))


if __name__ == "__main__":
    main()
