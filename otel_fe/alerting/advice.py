"""The first thing to do, by what an alert is about and by its likely cause. Data, so that a team can read it through."""

from __future__ import annotations

from typing import Final

from otel_fe.alerting.alert import AlertType
from otel_fe.semconv import (
    CAUSE_CACHE_MISS,
    CAUSE_CPU,
    CAUSE_DOWNSTREAM,
    CAUSE_GPU,
    CAUSE_POOL_WAIT,
    CAUSE_UNEXPLAINED,
)

_BY_CAUSE: Final = {
    CAUSE_CACHE_MISS: "Look at the cache: were keys evicted (maxmemory) or have they all expired together (TTL)? See how the hit "
    "rate has moved since the last deployment.",
    CAUSE_POOL_WAIT: "Look at who holds connections: a slow statement or a forgotten close. Only then raise the pool's size.",
    CAUSE_CPU: "Profile one of the traces' extractions; see whether a larger batch or another model came with the last deployment.",
    CAUSE_GPU: "See what else runs on the GPU, and whether batches have become smaller.",
    CAUSE_DOWNSTREAM: "Open one of the traces: its longest client span names the service or statement that is slow.",
    CAUSE_UNEXPLAINED: "Open one of the traces: time that no span covers is locks, garbage collection, disk, or calls that are not "
    "instrumented.",
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
