"""The first thing to do, by what an alert is about and by its likely cause. Data, so that a team can read it through."""

from __future__ import annotations

from typing import Final

from otel_fe.alerting.alert import AlertType
from otel_fe.semconv import (
    CAUSE_CACHE_MISS,
    CAUSE_CPU,
    CAUSE_CPU_THROTTLED,
    CAUSE_CPU_WAIT,
    CAUSE_DISK,
    CAUSE_DOWNSTREAM,
    CAUSE_EVENT_LOOP,
    CAUSE_GC,
    CAUSE_GIL,
    CAUSE_GPU,
    CAUSE_IMPORT,
    CAUSE_LOCK,
    CAUSE_NATIVE_THREADS,
    CAUSE_PAGE_FAULTS,
    CAUSE_POOL_WAIT,
    CAUSE_SLEEP,
    CAUSE_SUBPROCESS,
    CAUSE_UNEXPLAINED,
)

_BY_CAUSE: Final = {
    CAUSE_CACHE_MISS: "Look at the cache: were keys evicted (maxmemory) or have they all expired together (TTL)? See how the hit "
    "rate has moved since the last deployment.",
    CAUSE_POOL_WAIT: "Look at who holds connections: a slow statement or a forgotten close. Only then raise the pool's size.",
    CAUSE_CPU: "See the hotspot on one of the traces: the line that used the CPU. See whether a larger batch or another model came "
    "with the last deployment.",
    CAUSE_GPU: "See what else runs on the GPU, and whether batches have become smaller.",
    CAUSE_DOWNSTREAM: "Open one of the traces: its longest client span names the service or statement that is slow.",
    CAUSE_GC: "Allocate fewer objects that live long, or call gc.freeze() after start-up and raise gc.set_threshold().",
    CAUSE_GIL: "Move what holds the interpreter (the hotspot's line, in another thread) to another process.",
    CAUSE_CPU_THROTTLED: "Raise the container's CPU limit, or let fewer threads run at once (OMP_NUM_THREADS, workers).",
    CAUSE_CPU_WAIT: "Give the machine more cores or fewer processes: threads were ready to run and none was free.",
    CAUSE_PAGE_FAULTS: "Load memory-mapped files before the first request, and see whether the machine swaps.",
    CAUSE_DISK: "Read files at start-up or keep them in memory: the hotspot is the line that waits.",
    CAUSE_LOCK: "See who holds what the hotspot's line waits for, and hold it for less.",
    CAUSE_SLEEP: "Remove the sleep, or shorten the pause between retries, in the hotspot's line.",
    CAUSE_IMPORT: "Import at start-up what the hotspot's line imports on the first request.",
    CAUSE_SUBPROCESS: "Keep the process that the hotspot's line starts alive between requests, or do its work in this one.",
    CAUSE_NATIVE_THREADS: "Native threads (BLAS, OpenMP) computed meanwhile: see OMP_NUM_THREADS and the size of the batch.",
    CAUSE_EVENT_LOOP: "Move what blocks the event loop (the hotspot's line, in another task) to asyncio.to_thread or a process.",
    CAUSE_UNEXPLAINED: "Open one of the traces and see its stacks; nothing that was measured covers this time.",
}

_GENERAL: Final = {
    AlertType.LATENCY_THRESHOLD: "Open one of the traces and see which span takes the time.",
    AlertType.RESOURCE_USAGE: "See which process takes it (top, nvidia-smi). If it is this one: shed load, add a replica, or "
    "raise the container's quota or limit where the alert names one.",
    AlertType.CACHE_DEGRADATION: "See whether keys were evicted (INFO stats: evicted_keys), expired together, or changed their "
    "form with the last deployment.",
    AlertType.ERROR_RATE_SPIKE: "Open one of the traces: the exception and its stack are on the span. Roll back if a deployment "
    "coincides.",
    AlertType.THROUGHPUT_DROP: "See whether callers still send: the proxy's and the queue's rates; then whether workers hang.",
    AlertType.POOL_EXHAUSTION: _BY_CAUSE[CAUSE_POOL_WAIT],
    AlertType.SLO_BURN: "Open one of the traces of bad extractions, and see which change of the last hour coincides.",
    AlertType.CAPACITY: "Run `otel-fe capacity`: it names what gives out first, and the size that it needs.",
    AlertType.ANOMALY: "Compare with the same hour of the last days: a deployment, a backfill, another caller?",
}

_SPECIAL: Final = {
    (
        AlertType.CACHE_DEGRADATION,
        CAUSE_POOL_WAIT,
    ): "See whether look-ups fail for want of connections: the cache's own pool first.",
}


def first_action(alert_type: AlertType, cause: str) -> str:
    """Return the first thing to do; by the cause where one is known and says more."""
    special = _SPECIAL.get((alert_type, cause))
    if special is not None:
        return special
    if alert_type in {AlertType.LATENCY_THRESHOLD, AlertType.SLO_BURN, AlertType.ANOMALY}:
        return _BY_CAUSE.get(cause, _GENERAL[alert_type])
    return _GENERAL[alert_type]
