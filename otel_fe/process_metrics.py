"""Names of the metrics of an instrumented process: its size and load, for the capacity model, and its profiles.

`semconv.py` holds most others.
"""

from __future__ import annotations

from typing import Final

from otel_fe.semconv import FEATURE_SET, HOST_NAME, METRIC_BY_NAME, REASON, SLO, DerivedMetric

METRICS: Final[list[DerivedMetric]] = []


def _metric(name: str, instrument: str, unit: str, meaning: str, *dimensions: str) -> str:
    METRICS.append(DerivedMetric(name, instrument, unit, meaning, dimensions))
    METRIC_BY_NAME[name] = METRICS[-1]
    return name


PROCESS_TIME: Final = _metric(
    "feature_extraction.process.time",
    "counter",
    "s",
    "Time that processes with extractions have run: its increase a second is their number.",
)
PROCESS_CPU_TIME: Final = _metric(
    "feature_extraction.process.cpu.time", "counter", "s", "CPU time of these processes, over all their threads."
)
PROCESS_CORES: Final = _metric(
    "feature_extraction.process.cpu.cores",
    "gauge",
    "{core}",
    "CPU cores that the processes of a machine or container may use: its affinity, and its quota where that is less.",
    HOST_NAME,
)
MACHINE_BUSY: Final = _metric(
    "feature_extraction.machine.cpu.busy",
    "gauge",
    "{core}",
    "Of the CPU cores that the processes may use, or of a container with a quota, those busy with any process in the last minute.",
    HOST_NAME,
)
PROCESS_GIL: Final = _metric(
    "feature_extraction.process.gil",
    "gauge",
    "1",
    "1 where one thread at a time runs Python code, 0 in a free-threaded process.",
)
PROCESS_MEMORY: Final = _metric(
    "feature_extraction.process.memory.usage",
    "gauge",
    "By",
    "The most resident memory of a process in the last minute, sampled once a second.",
)
MEMORY_LIMIT: Final = _metric(
    "feature_extraction.process.memory.limit",
    "gauge",
    "By",
    "Memory that the processes of a machine or container may use together.",
    HOST_NAME,
)
CONCURRENCY: Final = _metric(
    "feature_extraction.concurrency",
    "gauge",
    "{extraction}",
    "The most extractions that a process ran at once in the last minute, sampled once a second.",
)
CONCURRENCY_THREADS: Final = _metric(
    "feature_extraction.concurrency.threads", "gauge", "{thread}", "The threads that those ran on."
)
HEADROOM: Final = _metric(
    "feature_extraction.capacity.headroom",
    "gauge",
    "{extraction}/s",
    "The highest rate at which every latency objective holds, by a fitted queueing model; absent where the model does not fit.",
    FEATURE_SET,
)
BUDGET_EXHAUSTED_IN: Final = _metric(
    "feature_extraction.slo.error_budget.exhausted_in",
    "gauge",
    "s",
    "Time until an SLO's error budget is used up, by a forecast, and 0 once it is; absent without a forecast, or where that is not "
    "expected in the next week.",
    SLO,
    FEATURE_SET,
)
PROFILES_SENT: Final = _metric(
    "otel_fe.profiles.sent",
    "counter",
    "{profile}",
    "Profiles of slow extractions that it has sent (`OTEL_FE_PROFILES`).",
)
PROFILES_DROPPED: Final = _metric(
    "otel_fe.profiles.dropped",
    "counter",
    "{profile}",
    "Those that were lost: `queue_full`, `export_failed`, `rejected` (by the backend), `unsupported` (by it), `shutdown`.",
    REASON,
)
