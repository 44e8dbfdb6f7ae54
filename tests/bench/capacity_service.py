"""The services of the capacity benchmark, each in a process of its own: `python -m tests.bench.capacity_service KIND REDIS DATABASE FD`.

Arrivals come through a pipe, eight bytes each: the moment at which the load generator meant them, in Unix ns. Commands come by lines on
stdin, each answered by a line of JSON: `snapshot` (counts until now), `settle` (wait until all has ended), `p95 SINCE UNTIL`, `rows`.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import struct
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import ReadableSpan

POOL_SIZE = 4
_WORKERS = 64
_ARRIVAL = struct.Struct("<q")
_NS = 1_000_000_000


class Pooled:
    """Threads; half of the extractions miss in Redis and hold a connection for about 20 ms, in which the database waits."""

    def __init__(self, socket: str, database: str) -> None:
        import redis
        import sqlalchemy

        sqlite = database.startswith("sqlite")
        self._engine = sqlalchemy.create_engine(
            database,
            poolclass=sqlalchemy.QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=0,
            connect_args={"check_same_thread": False} if sqlite else {},
        )
        if sqlite:
            # In the database, as a slow query is: the thread waits without holding the interpreter.
            sqlalchemy.event.listen(self._engine, "connect", lambda raw, _: raw.create_function("pg_sleep", 1, _wait))
        self._query = sqlalchemy.text("SELECT pg_sleep(:s)")
        self._redis = redis.Redis(unix_socket_path=socket)

    def extract(self, number: int) -> None:
        """Look up, and on a miss query."""
        draw = random.Random(number)
        hit = draw.random() < 0.5
        self._redis.get("user:1" if hit else "absent")
        if not hit:
            with self._engine.connect() as connection:
                connection.execute(self._query, {"s": draw.expovariate(1 / 0.02)}).fetchone()


class Computing:
    """Threads that compute for about 4 ms, in Python."""

    def __init__(self, _socket: str, _database: str) -> None:
        pass

    def extract(self, number: int) -> None:
        """Compute."""
        _burn(random.Random(number).expovariate(1 / 0.004))


class Tasks:
    """Tasks of an event loop: a look-up, and 6 ms of Python in four slices."""

    def __init__(self, socket: str, _database: str) -> None:
        import redis.asyncio

        self._redis = redis.asyncio.Redis(unix_socket_path=socket, max_connections=10_000)

    async def extract(self, number: int) -> None:
        """Look up, and compute."""
        await self._redis.get("user:1")
        draw = random.Random(number)
        for _ in range(4):
            _burn(draw.uniform(0.0005, 0.0025))
            await asyncio.sleep(0)


def _wait(seconds: float) -> int:
    time.sleep(seconds)
    return 1


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


class Rows(SpanProcessor):
    """Keeps the figures of each extraction, and not its span: collecting garbage among many spans would lengthen later ones."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, bool | None, int, int]] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Take start, duration, hit, wait for connections and CPU time; -1 where that is not known."""
        from otel_fe import semconv

        if not span.name.startswith(semconv.SPAN_NAME):
            return
        told = span.attributes or {}
        cpu_s: Any = told.get(semconv.CPU_TIME)
        wait_s: Any = told.get(semconv.POOL_WAIT_TIME, 0.0)
        hit: Any = told.get(semconv.CACHE_HIT)
        begin, end = span.start_time or 0, span.end_time or 0
        self.rows.append((begin, end - begin, hit, round(wait_s * _NS), -1 if cpu_s is None else round(cpu_s * _NS)))


class Served:
    """A service that runs, and what otel_fe counts of it."""

    def __init__(self, kind: str, socket: str, database: str, arrivals: int) -> None:
        from otel_fe import extraction
        from otel_fe.config.settings import Settings
        from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor

        self.rows, self._reader = Rows(), InMemoryMetricReader()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(self.rows)
        FeatureExtractionInstrumentor().instrument(
            tracer_provider=traces,
            meter_provider=MeterProvider([self._reader], shutdown_on_exit=False),
            settings=Settings(baseline_ratio=1.0, connection_metrics=True, alerts=False),
        )
        self._numbers = count(1)
        self._submitted = 0
        self.ended: list[tuple[int, int]] = []
        """When each arrived and ended, Unix ns."""
        self._running: set[asyncio.Task[None]] = set()
        if kind == "asyncio":
            tasks = extraction("features")(Tasks(socket, database).extract)
            target = lambda: asyncio.run(self._loop(arrivals, tasks))  # noqa: E731
        else:
            service = (Computing if kind == "cpu" else Pooled)(socket, database)
            target = lambda: self._accept(arrivals, extraction("features")(service.extract))  # noqa: E731
        threading.Thread(target=target, daemon=True).start()

    def _accept(self, arrivals: int, run: Callable[[int], Any]) -> None:
        workers = ThreadPoolExecutor(_WORKERS)

        def work(number: int, arrived_ns: int) -> None:
            run(number)
            self.ended.append((arrived_ns, time.time_ns()))

        while data := os.read(arrivals, 512):
            for (arrived_ns,) in _ARRIVAL.iter_unpack(data):
                self._submitted += 1
                workers.submit(work, next(self._numbers), arrived_ns)

    async def _loop(self, arrivals: int, run: Callable[[int], Any]) -> None:
        async def work(number: int, arrived_ns: int) -> None:
            await run(number)
            self.ended.append((arrived_ns, time.time_ns()))

        def accept() -> None:
            for (arrived_ns,) in _ARRIVAL.iter_unpack(os.read(arrivals, 512)):
                self._submitted += 1
                task = loop.create_task(work(next(self._numbers), arrived_ns))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

        loop = asyncio.get_running_loop()
        loop.add_reader(arrivals, accept)
        await loop.create_future()

    def settle(self) -> None:
        """Wait until all that arrived has ended."""
        time.sleep(0.1)
        deadline = time.monotonic() + 30
        while len(self.ended) < self._submitted and time.monotonic() < deadline:
            time.sleep(0.05)

    def p95_s(self, since: int, until: int) -> float | None:
        """Return the 95th percentile of extractions that began between two moments (Unix ns)."""
        found = sorted(duration for begin, duration, *_ in self.rows.rows if since <= begin < until)
        return found[math.ceil(0.95 * len(found)) - 1] / _NS if found else None

    def snapshot(self) -> dict[str, Any]:
        """Return what is counted until now."""
        from otel_fe import process_metrics, semconv
        from otel_fe.cgroup import own_cgroup
        from otel_fe.instrument import process_load

        points: dict[str, list[Any]] = {}
        data: Any = self._reader.get_metrics_data()
        for metric in (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics):
            points.setdefault(metric.name, []).extend(metric.data.data_points)
        pools: dict[str, dict[str, Any]] = {}
        for name in (semconv.CONNECTION_USE_TIME, semconv.CONNECTION_WAIT_TIME, semconv.CONNECTION_CREATE_TIME):
            for point in points.get(name, ()):
                buckets = {place: number for place, number in enumerate(point.bucket_counts) if number}
                pools.setdefault(point.attributes[semconv.POOL], {})[name] = (point.count, point.sum, buckets)
        durations: Counter[int] = Counter()
        for point in points.get(semconv.DURATION, ()):
            durations.update({place: number for place, number in enumerate(point.bucket_counts) if number})
        cpu = points.get(semconv.CPU_TIME_METRIC, ())
        return {
            "time_ns": time.time_ns(),
            "durations": durations,
            "total": sum(point.sum for point in points.get(semconv.DURATION, ())),
            "cpu": (sum(one.sum for one in cpu), sum(one.count for one in cpu)),
            "process_cpu": sum(one.value for one in points.get(process_metrics.PROCESS_CPU_TIME, ())),
            "machine_cpu": process_load.machine_cpu_s(own_cgroup()),
            "cores": process_load.cores(own_cgroup()),
            "pools": pools,
            "sizes": {one.attributes[semconv.POOL]: one.value for one in points.get(semconv.CONNECTION_MAX, ())},
        }


def main() -> None:
    """Serve until stdin ends."""
    served = Served(*sys.argv[1:4], int(sys.argv[4]))
    print("{}", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        if name == "snapshot":
            said: Any = served.snapshot()
        elif name == "p95":
            said = served.p95_s(*map(int, arguments))
        elif name == "settle":
            said = served.settle()
        else:
            said = {"rows": served.rows.rows, "ended": served.ended}
        print(json.dumps(said), flush=True)
    os._exit(0)  # threads that still wait for arrivals


if __name__ == "__main__":
    main()
