"""The process that `tests/bench/watcher.py` measures: extractions in threads, and what they cost.

`python -m tests.bench.watched_service LOAD VARIANT SECONDS` prints `ready`, works, and prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import TracerProvider

import otel_fe
from otel_fe.config.settings import Settings
from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOW_S: Final = 0.15
_SLOW_ONE_IN: Final = 100


def healthy(_number: int) -> None:
    """Compute for some 100 µs."""
    sum(i * i for i in range(1_500))


def slow(_number: int) -> None:
    """Wait for half of the time, and compute for the other half."""
    time.sleep(_SLOW_S / 2)
    end = time.thread_time() + _SLOW_S / 2
    while time.thread_time() < end:
        sum(i * i for i in range(500))


def seldom_slow(number: int) -> None:
    """Be slow once in a hundred times."""
    (healthy if number % _SLOW_ONE_IN else slow)(number)


def waiting(_number: int) -> None:
    """Wait for another service."""
    time.sleep(0.5)


LOADS: Final[dict[str, tuple[Callable[[int], None], int, float]]] = {
    "healthy": (healthy, 1, 0.0),
    "1 % slow": (seldom_slow, 4, 0.002),
    "64 slow": (waiting, 64, 0.0),
}
"""The work of each extraction, the number of calling threads, and the pause of each after a call, in seconds."""


@dataclass
class Tally:
    """Measurements shared by the threads."""

    calls: int = 0
    healthy_ms: list[float] = field(default_factory=list)
    """Latency of calls that are not slow by themselves: the host's tail."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def work(tally: Tally, extract: Callable[[int], None], load: str, until: float) -> None:
    """Call the extraction until the time is up, and the slow calls are the share of all that they are to be."""
    rest_s = LOADS[load][2]
    whole = _SLOW_ONE_IN if load == "1 % slow" else 1
    calls, latencies = 0, []
    while time.monotonic() < until or calls % whole:
        calls += 1
        began = time.perf_counter()
        extract(calls)
        took_ms = (time.perf_counter() - began) * 1e3
        if load == "healthy" or (load == "1 % slow" and calls % _SLOW_ONE_IN):
            latencies.append(took_ms)
        if rest_s:
            time.sleep(rest_s)
    with tally.lock:
        tally.calls += calls
        tally.healthy_ms += latencies


def profile_by(variant: str, address: str) -> None:
    """Switch on what runs inside of the process."""
    if variant == "pyroscope-io":
        import pyroscope

        pyroscope.configure(application_name="bench", server_address=address, sample_rate=100)
    settings = Settings() if variant == "watcher" else Settings(watch_threshold_s=0.0)
    FeatureExtractionInstrumentor().instrument(tracer_provider=TracerProvider(), settings=settings)


def watcher_cpu_s() -> float:
    """Return the CPU time of the watching thread; 0 without one."""
    for thread in threading.enumerate():
        if thread.name == "otel-fe-watcher" and thread.native_id:
            return time.clock_gettime((~thread.native_id << 3) | 6)
    return 0.0


def main() -> None:
    """Run one load under one variant."""
    load, variant, seconds, address = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    profile_by(variant, address)
    function, count, _ = LOADS[load]
    extract = otel_fe.extraction("bench")(function)
    for number in range(1, 200 if load != "64 slow" else 2):
        extract(number)
    print("ready", flush=True)
    sys.stdin.readline()
    tally = Tally()
    began, used, watched = time.monotonic(), time.process_time(), watcher_cpu_s()
    threads = [threading.Thread(target=work, args=(tally, extract, load, began + seconds)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found: dict[str, Any] = {
        "wall_s": time.monotonic() - began,
        "cpu_s": time.process_time() - used,
        "watcher_s": watcher_cpu_s() - watched,
        "calls": tally.calls,
        "p99_ms": sorted(tally.healthy_ms)[int(len(tally.healthy_ms) * 0.99)] if tally.healthy_ms else None,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
