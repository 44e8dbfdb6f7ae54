"""One measured process: `python -m tests.bench.child JSON`. Sets up, warms up, measures, prints one line."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bench import load
from tests.bench.variants import VARIANTS, flush, wrap, wrap_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class Order:
    """A measurement's parameters."""

    variant: str
    load: str
    """`serial`, `lookups`, `threads` or `tasks`."""
    warm_up: int
    """Extractions before the window; flushed before it begins."""
    count: int
    """Extractions in the window."""
    socket: str
    database: str
    endpoint: str
    profile: bool = False
    """Print the main thread's functions to stderr; the figures are then worthless."""


def _cpu_s() -> float:
    """CPU of this process so far, every thread of it, user and system, as the operating system counted it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _measure(order: Order, run: Callable[[int], None]) -> dict[str, Any]:
    run(order.warm_up)
    flush()
    cpu, main, wall = _cpu_s(), time.thread_time(), time.perf_counter()
    run(order.count)
    main = time.thread_time() - main
    loaded = time.perf_counter() - wall
    flush()
    cpu = _cpu_s() - cpu
    return {
        "cpu_us": cpu / order.count * 1e6,
        "main_us": main / order.count * 1e6,
        "rate": order.count / loaded,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _run_sync(order: Order) -> dict[str, Any]:
    by_hand = VARIANTS[order.variant].set_up(order.endpoint)
    # after the set-up, as in an application: the instrumentations patch these modules first
    from tests.bench.workload import LookupsService, Service

    service = LookupsService if order.load == "lookups" else Service
    extract = wrap(by_hand, service(order.socket, order.database).extract)
    driver = load.threaded if order.load == "threads" else load.serial
    return _measure(order, partial(driver, extract))


def _run_tasks(order: Order) -> dict[str, Any]:
    by_hand = VARIANTS[order.variant].set_up(order.endpoint)
    from tests.bench.workload import AsyncService

    service = AsyncService(order.socket)
    extract = wrap_async(by_hand, service.extract)
    with asyncio.Runner() if hasattr(asyncio, "Runner") else _Loop() as loop:
        result = _measure(order, lambda count: loop.run(load.tasked(extract, count)))
        loop.run(service.aclose())
    return result


class _Loop:
    """`asyncio.Runner` for Python 3.10: one event loop for warm-up and window."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


def main() -> None:
    """Measure what the argument orders."""
    order = Order(**json.loads(sys.argv[1]))
    run = _run_tasks if order.load == "tasks" else _run_sync
    if order.profile:
        from tests.bench.profiling import profiled

        run = partial(profiled, run)
    result = run(order)
    result["threads"] = threading.active_count()
    print(json.dumps({**asdict(order), **result}), flush=True)


if __name__ == "__main__":
    main()
