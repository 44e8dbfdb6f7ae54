"""Capacity, predicted and measured: `make bench ARGS=capacity`.

Three services, each in a process of its own under a Poisson load: threads with a real SQLAlchemy pool over SQLite and a real Redis;
tasks of an event loop with a real Redis; threads that compute. The load goes from half of today's to today's and back; the model is
fitted to that alone, and then the load is stepped to 1.5 and 2 times today's, and to where p95 leaves the objective.

`python -m tests.bench.capacity KIND SOCKET DATABASE SECONDS` runs one of them and prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.bed import REPOSITORY, Bed, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.testing import Captured

KINDS = {"pool": 60.0, "asyncio": 45.0, "cpu": 35.0}
"""Kinds of services, and the extractions a second that they have today."""
LIMIT_S = 0.1
WINDOWS = 24
POOL_SIZE = 4
_WORKERS = 64
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CapacityFigures:
    """One service."""

    kind: str
    refused: str
    p95_ms: dict[str, tuple[float, float, float, float]]
    """By factor: predicted, low, high, measured."""
    knee_per_s: tuple[float, float, float, float]
    """Likewise."""
    first: str
    """What was said to give out first."""


class Pooled:
    """Threads; half of the extractions miss and hold a connection for about 20 ms."""

    def __init__(self, socket: str, database: str) -> None:
        import redis
        import sqlalchemy

        self._engine = sqlalchemy.create_engine(
            f"sqlite:///{database}",
            poolclass=sqlalchemy.QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
        # In the database, as a slow query is: the thread waits without holding the interpreter.
        sqlalchemy.event.listen(self._engine, "connect", lambda raw, _: raw.create_function("wait", 1, _wait))
        self._query = sqlalchemy.text("SELECT wait(:s)")
        self._redis = redis.Redis(unix_socket_path=socket)

    def extract(self, number: int) -> None:
        """Look up, and on a miss query."""
        draw = random.Random(number)
        hit = draw.random() < 0.5
        self._redis.get("user:1" if hit else "nobody")
        if not hit:
            with self._engine.connect() as connection:
                connection.execute(self._query, {"s": draw.expovariate(1 / 0.02)}).fetchone()


class Computing:
    """Threads that compute for about 8 ms, in Python."""

    def __init__(self, _socket: str, _database: str) -> None:
        pass

    def extract(self, number: int) -> None:
        """Compute."""
        _burn(random.Random(number).expovariate(1 / 0.008))


class Tasks:
    """Tasks of an event loop: a look-up, and 6 ms of Python in four slices."""

    def __init__(self, socket: str, _database: str) -> None:
        import redis.asyncio

        self._redis = redis.asyncio.Redis(unix_socket_path=socket)

    async def extract(self, number: int) -> None:
        """Look up, and compute."""
        await self._redis.get("user:1")
        for _ in range(4):
            _burn(random.Random(number).uniform(0.0005, 0.0025))
            await asyncio.sleep(0)


def _wait(seconds: float) -> int:
    time.sleep(seconds)
    return 1


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def _poisson(rate: float, seconds: float, seed: int, submit: Callable[[int], Any]) -> None:
    """Submit extractions at random times, whatever becomes of those before."""
    draw = random.Random(seed)
    begin, at, number = time.perf_counter(), 0.0, seed * 1_000_000
    while (at := at + draw.expovariate(rate)) < seconds:
        time.sleep(max(0.0, begin + at - time.perf_counter()))
        number += 1
        submit(number)
    time.sleep(max(0.0, begin + seconds - time.perf_counter()))


class Load:
    """Runs a kind of service at rates, and says what otel_fe counted."""

    def __init__(self, kind: str, socket: str, database: str, captured: Captured) -> None:
        from otel_fe import extraction

        self._captured = captured
        self._seed = 0
        if kind == "asyncio":
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
            tasks = extraction("features")(Tasks(socket, database).extract)
            self._submit: Callable[[int], Any] = lambda n: asyncio.run_coroutine_threadsafe(tasks(n), self._loop)
        else:
            service = (Pooled if kind == "pool" else Computing)(socket, database)
            run = extraction("features")(service.extract)
            workers = ThreadPoolExecutor(_WORKERS)
            self._submit = lambda n: workers.submit(run, n)

    def run(self, rate: float, seconds: float) -> tuple[int, int]:
        """Run for some seconds; return from when until when (Unix ns)."""
        self._seed += 1
        since = time.time_ns()
        _poisson(rate, seconds, self._seed, self._submit)
        return since, time.time_ns()

    def settle(self) -> None:
        """Wait until what was submitted has ended."""
        from otel_fe.instrument.watch import registry

        deadline = time.monotonic() + 30
        while registry.opened and time.monotonic() < deadline:
            time.sleep(0.05)

    def snapshot(self) -> dict[str, Any]:
        """Return what is counted until now."""
        from otel_fe import process_metrics, semconv

        points = self._captured.points
        pools = {}
        for point in points(semconv.CONNECTION_USE_TIME):
            pools[point.attributes[semconv.POOL]] = [point.count, point.sum, 0.0]
        for sign, name in ((1, semconv.CONNECTION_WAIT_TIME), (-1, semconv.CONNECTION_CREATE_TIME)):
            for point in points(name):
                pools.setdefault(point.attributes[semconv.POOL], [0, 0.0, 0.0])[2] += sign * point.sum
        durations: Counter[int] = Counter()
        total = 0.0
        for point in points(semconv.DURATION):
            total += point.sum
            durations.update({place: count for place, count in enumerate(point.bucket_counts) if count})
        cpu = points(semconv.CPU_TIME_METRIC)
        return {
            "durations": durations,
            "total": total,
            "cpu": (sum(one.sum for one in cpu), sum(one.count for one in cpu)),
            "process_cpu": sum(one.value for one in points(process_metrics.PROCESS_CPU_TIME)),
            "pools": pools,
            "sizes": {one.attributes[semconv.POOL]: one.value for one in points(semconv.CONNECTION_MAX)},
        }


def _window(before: dict[str, Any], after: dict[str, Any], since: int, until: int) -> Any:
    from otel_fe.capacity.measured import PoolUse, Window
    from otel_fe.pipeline.extraction_series import DURATION_EDGES_NS
    from otel_fe.store.counts import pack_buckets
    from otel_fe.store.distribution import Distribution

    buckets = after["durations"] - before["durations"]
    spread = Distribution()
    total = round((after["total"] - before["total"]) * _NS)
    edges = tuple(edge / _NS for edge in DURATION_EDGES_NS)
    spread.add(edges, pack_buckets(dict(buckets)), sum(buckets.values()), total, 0, scale=_NS)
    pools = {
        name: PoolUse(*(now - old for now, old in zip(found, before["pools"].get(name, (0, 0.0, 0.0)), strict=True)))
        for name, found in after["pools"].items()
    }
    cpu = [now - old for now, old in zip(after["cpu"], before["cpu"], strict=True)]
    own = after["process_cpu"] - before["process_cpu"]
    return Window(since, (until - since) / _NS, {"features": spread}, cpu[0], cpu[1], own, 1.0, pools)


def _rows(captured: Captured) -> list[Any]:
    from otel_fe import semconv
    from otel_fe.forecast.prediction import Observed

    found = []
    for span in captured.extractions("features"):
        told = span.attributes or {}
        cpu = told.get(semconv.CPU_TIME)
        found.append(
            Observed(
                span.end_time - span.start_time,
                1.0,
                told.get(semconv.CACHE_HIT),
                round(told.get(semconv.POOL_WAIT_TIME, 0.0) * _NS),
                span.start_time,
                -1 if cpu is None else round(cpu * _NS),
                "features",
            )
        )
    return found


def _p95_s(captured: Captured, since: int, until: int) -> float:
    durations = sorted(
        span.end_time - span.start_time
        for span in captured.extractions("features")
        if since + (until - since) // 5 <= span.start_time < until  # once the queue has its length
    )
    return durations[math.ceil(0.95 * len(durations)) - 1] / _NS if durations else math.inf


def _measure(kind: str, socket: str, database: str, seconds: float) -> CapacityFigures:
    from otel_fe.capacity.answer import Requirement, answer
    from otel_fe.capacity.fitted import fitted
    from otel_fe.capacity.measured import Measured, PoolSize, Setup
    from otel_fe.cgroup import own_cgroup
    from otel_fe.forecast.forecast_error import ForecastError
    from otel_fe.instrument.process_load import cores
    from otel_fe.testing import capture

    today = KINDS[kind]
    with capture(connection_metrics=True, alerts=False, watch_threshold_s=10.0) as captured:
        load = Load(kind, socket, database, captured)
        load.run(today, seconds)  # warm
        windows, old = [], load.snapshot()
        for place in range(WINDOWS):
            rate = today * (0.75 - 0.25 * math.cos(2 * math.pi * place / 8)) if place < WINDOWS - 3 else today
            since, until = load.run(rate, seconds)
            new = load.snapshot()
            windows.append(_window(old, new, since, until))
            old = new
        pools = {
            name: PoolSize(round(size), 1.0)
            for name, size in old["sizes"].items()
            if old["pools"].get(name, [0])[0] > 1
        }
        setup = Setup(1, cores(own_cgroup()), 1, pools, event_loop=kind == "asyncio")
        try:
            model = fitted(Measured(kind, tuple(windows), tuple(_rows(captured)), setup))
        except ForecastError as error:
            nothing = (math.nan,) * 4
            return CapacityFigures(kind, str(error), {}, nothing, "")
        wanted = [Requirement("latency", LIMIT_S, 0.95)]
        shown: dict[str, tuple[float, float, float, float]] = {}
        for factor in (1.5, 2.0):
            said = answer(model, wanted, factor)
            since, until = load.run(said.asked, 4 * seconds)
            load.settle()
            then = said.p95_then_s
            shown[f"{factor:g}x"] = (
                *(1e3 * one for one in (then.value, then.low, then.high)),
                1e3 * _p95_s(captured, since, until),
            )
        low, high = today, 1.6 * said.headroom.value
        for _ in range(6):
            middle = (low + high) / 2
            since, until = load.run(middle, 4 * seconds)
            load.settle()
            low, high = (middle, high) if _p95_s(captured, since, until) < LIMIT_S else (low, middle)
        room = said.headroom
        return CapacityFigures(kind, "", shown, (room.value, room.low, room.high, (low + high) / 2), said.first)


def run_capacity(bed: Bed, *, quick: bool) -> list[CapacityFigures]:
    """Return the figures of each kind of service; quick ones are of few seconds."""
    found = []
    for kind in KINDS:
        command = [sys.executable, "-m", "tests.bench.capacity", kind, bed.socket, bed.database, "3" if quick else "15"]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=clean_environment(), text=True, capture_output=True, check=False
        )
        if done.returncode:
            sys.exit(f"bench: {kind} failed\n{done.stderr[-2000:]}")
        found.append(CapacityFigures(**json.loads(done.stdout.splitlines()[-1])))
    return found


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))))
