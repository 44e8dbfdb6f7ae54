"""CPU time per function of the main thread (cProfile), and per thread (the operating system)."""

from __future__ import annotations

import cProfile
import pstats
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = 45
_TICKS_PER_S = 100


def thread_cpu_s() -> dict[str, float]:
    """Return user and system CPU seconds by thread, of threads that are alive."""
    seconds: dict[str, float] = {}
    for thread in threading.enumerate():
        try:
            stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
        except OSError:  # ended meanwhile, or no Linux
            continue
        # after the name in brackets, which may hold blanks: fields 14 and 15 of proc(5)
        fields = stat.rpartition(")")[2].split()
        name = f"{thread.name} ({thread.native_id})"
        seconds[name] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return seconds


def profiled(run: Callable[[Any], dict[str, Any]], order: Any) -> dict[str, Any]:
    """Return `run(order)`, with the top functions and the threads' CPU on stderr. Warm-up is in it."""
    profile = cProfile.Profile()
    result = profile.runcall(run, order)
    statistics = pstats.Stats(profile, stream=sys.stderr)
    calls = order.warm_up + order.count
    print(f"\n{order.variant}, {order.load}: {calls} extractions, cProfile of the main thread", file=sys.stderr)
    statistics.sort_stats("tottime").print_stats(TOP)
    statistics.sort_stats("cumulative").print_stats(r"otel_fe|opentelemetry|logfire|redis|sqlalchemy", TOP)
    for name, seconds in sorted(thread_cpu_s().items(), key=lambda item: -item[1]):
        print(f"{seconds:8.2f} s CPU  {name}", file=sys.stderr)
    return result
