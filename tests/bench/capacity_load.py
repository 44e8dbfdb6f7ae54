"""Drives a service of the capacity benchmark with Poisson arrivals, open loop, and records what otel_fe and the service measured.

The service has a core of its own where there are two (`apart`); the load generator, Redis and the database have the others.
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from tests.bench.bed import REPOSITORY, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

_NS = 1_000_000_000
_ARRIVAL = struct.Struct("<q")
_SETTLING = 0.2
"""The part of a step, from its begin, that is not measured: the queue gets its length."""
_ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The course of a run: seconds, and rates as multiples of today's."""

    window_s: float = 4.0
    windows: int = 24
    step_s: float = 20.0
    knee_steps: int = 5
    knee_step_s: float = 14.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of service."""

    name: str
    today: float
    """Extractions a second."""
    most: float
    """More than it can carry, likewise."""
    limit_s: float = 0.1
    """Of its 95th percentile."""


KINDS = {
    one.name: one
    for one in (
        Kind("sqlite", 130, 400),
        Kind("postgres", 130, 400),
        Kind("asyncio", 50, 150),
        Kind("cpu", 75, 230, 0.05),
    )
}


class Driven:
    """A service under load.

    Args:
        kind: Which.
        socket: Of Redis.
        database: URL, for SQLAlchemy.
        core: Which the service runs on; None for any.
    """

    def __init__(self, kind: str, socket: str, database: str, core: int | None) -> None:
        read, self._arrivals = os.pipe()
        pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
        module = [sys.executable, "-m", "tests.bench.capacity_service", kind, socket, database, str(read)]
        self._process = subprocess.Popen(
            [*pinned, *module],
            cwd=REPOSITORY,
            env=clean_environment(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[read],
        )
        os.close(read)
        self._draw = random.Random(20)
        self._unread: deque[Callable[[Any], None]] = deque()
        self.late: list[float] = []
        self._answer()

    def close(self) -> None:
        """End the service."""
        os.close(self._arrivals)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def load(self, rate: float, seconds: float) -> tuple[int, int]:
        """Send arrivals at random times, whatever becomes of those before; return from when until when (Unix ns)."""
        since = time.time_ns()
        at = 0.0
        while (at := at + self._draw.expovariate(rate)) < seconds:
            due = since + round(at * _NS)
            time.sleep(max(0.0, (due - time.time_ns()) / _NS))
            os.write(self._arrivals, _ARRIVAL.pack(due))
            self.late.append((time.time_ns() - due) / _NS)
        time.sleep(max(0.0, (since + seconds * _NS - time.time_ns()) / _NS))
        return since, time.time_ns()

    def ask(self, command: str, then: Callable[[Any], None] | None = None) -> Any:
        """Send a command and return its answer; with `then`, go on at once, and hand it the answer later."""
        assert self._process.stdin is not None
        if then is not None:
            self._unread.append(then)
        else:
            self.catch_up()
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer() if then is None else None

    def catch_up(self) -> None:
        """Read the answers that were not waited for."""
        while self._unread:
            self._unread.popleft()(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"bench: the service ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def apart() -> Generator[int | None]:
    """Leave the last core to the service: this process, its children and those to come use the others; yields it, if there is one."""
    cores = sorted(os.sched_getaffinity(0))
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    if len(cores) == 1:
        yield None
        return
    for one in family:
        one.cpu_affinity(cores[:-1])
    try:
        yield cores[-1]
    finally:
        for one in family:
            one.cpu_affinity(cores)


def record(kind: Kind, socket: str, database: str, plan: Plan, core: int | None) -> dict[str, Any]:
    """Return a recording of a service at half of today's load to today's and back, and then stepped up to beyond its knee."""
    driven = Driven(kind.name, socket, database, core)
    try:
        return _recorded(driven, kind, plan)
    finally:
        driven.close()


def _recorded(driven: Driven, kind: Kind, plan: Plan) -> dict[str, Any]:
    driven.load(kind.today, plan.window_s)  # warm
    snapshots: list[Any] = [driven.ask("snapshot")]
    for place in range(plan.windows):
        wave = 0.75 - 0.25 * math.cos(2 * math.pi * place / 8)
        driven.load(kind.today * (wave if place < plan.windows - 3 else 1.0), plan.window_s)
        driven.ask("snapshot", snapshots.append)
    driven.ask("settle")
    steps = [_step(driven, kind.today * factor, plan.step_s) for factor in (1.5, 2.0)]
    low, high = 2 * kind.today, kind.most
    for _ in range(plan.knee_steps):
        steps.append(_step(driven, (low + high) / 2, plan.knee_step_s))
        middle = (low + high) / 2
        low, high = (middle, high) if (steps[-1]["p95"] or math.inf) < kind.limit_s else (low, middle)
    seen = driven.ask("rows")
    late = sorted(driven.late)
    return {
        "kind": kind.name,
        "today_per_s": kind.today,
        "limit_s": kind.limit_s,
        "event_loop": kind.name == "asyncio",
        "cores": snapshots[0]["cores"],
        "late_p99_s": late[round(0.99 * (len(late) - 1))],
        "sizes": snapshots[-1]["sizes"],
        "windows": [_window(before, after) for before, after in zip(snapshots, snapshots[1:], strict=False)],
        "rows": _sample(seen["rows"], snapshots[0]["time_ns"], snapshots[-1]["time_ns"]),
        "steps": [_measured(one, seen["rows"], seen["ended"]) for one in steps],
    }


def _step(driven: Driven, rate: float, seconds: float) -> dict[str, Any]:
    before = driven.ask("snapshot")
    since, until = driven.load(rate, seconds)
    after = driven.ask("snapshot")
    driven.ask("settle")
    since += round((until - since) * _SETTLING)
    p95 = driven.ask(f"p95 {since} {until}")
    return {"rate": rate, "since": since, "until": until, "p95": p95, "window": _window(before, after)}


def _window(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what was counted between two snapshots."""
    pools = {}
    for name, found in after["pools"].items():
        old = before["pools"].get(name, {})
        pools[name] = {
            metric: (
                number - old.get(metric, (0, 0, {}))[0],
                total - old.get(metric, (0, 0, {}))[1],
                _less(buckets, old.get(metric, (0, 0, {}))[2]),
            )
            for metric, (number, total, buckets) in found.items()
        }
    return {
        "since_ns": before["time_ns"],
        "seconds": (after["time_ns"] - before["time_ns"]) / _NS,
        "durations": _less(after["durations"], before["durations"]),
        "total_s": after["total"] - before["total"],
        "cpu": [now - old for now, old in zip(after["cpu"], before["cpu"], strict=True)],
        "process_cpu_s": after["process_cpu"] - before["process_cpu"],
        "machine_cpu_s": after["machine_cpu"] - before["machine_cpu"],
        "pools": pools,
    }


def _less(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {place: left for place, number in after.items() if (left := number - before.get(place, 0))}


def _sample(rows: Sequence[Any], since: int, until: int) -> list[Any]:
    """Return so many extractions as the store hands out, spread over the time, without those of the steps."""
    within = sorted(one for one in rows if since <= one[0] < until)
    return within[:: max(1, math.ceil(len(within) / _ROWS))]


def _measured(step: dict[str, Any], rows: Sequence[Any], ended: Sequence[Any]) -> dict[str, Any]:
    """Return a step with its percentiles: of extractions, and of callers, who wait from their arrival."""
    since, until = step["since"], step["until"]
    durations = [(begin, duration) for begin, duration, *_ in rows if since <= begin < until]
    called = sorted(end - arrived for arrived, end in ended if since <= arrived < until)
    low, high = _spread(durations)
    return {
        "asked_per_s": step["rate"],
        "rate_per_s": sum(since <= arrived < until for arrived, _ in ended) * _NS / (until - since),
        "count": len(durations),
        "p95_s": [_p95([one for _, one in durations]) / _NS, low / _NS, high / _NS],
        "callers_p95_s": _p95(called) / _NS,
        "window": step["window"],
    }


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1] if values else math.nan


def _spread(durations: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return the 90 % interval of a percentile: whole seconds drawn again, since neighbours wait for the same queue."""
    blocks: dict[int, list[int]] = {}
    for begin, duration in durations:
        blocks.setdefault(begin // _NS, []).append(duration)
    draw = random.Random(1)
    groups = list(blocks.values())
    found = sorted(_p95([one for group in draw.choices(groups, k=len(groups)) for one in group]) for _ in range(200))
    return found[10], found[-11]
