"""Alert rules as values: the measured quantity, thresholds to fire and to clear, and the cooldown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from otel_fe import requirements
from otel_fe.alerting.alert import AlertType, Severity

LATENCY_P95: Final = "p95 latency"
CPU: Final = "CPU"
MEMORY: Final = "memory"
OPERATION_MEMORY: Final = "memory of one operation"
GPU: Final = "GPU"
CACHE_HIT_RATE: Final = "cache hit rate"
ERROR_RATE: Final = "error rate"
THROUGHPUT: Final = "throughput"
POOL_WAIT: Final = "pool wait"
POOL_USE: Final = "pool use"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition, evaluated for each service and feature set, or for the container or machine."""

    type: AlertType
    """The type of the alerts that it makes."""
    subject: str
    """The measured quantity; one of the names above."""
    threshold: float
    """The condition holds when this is reached."""
    clear: float
    """The alert ends only on the healthy side of this, so that a value that hovers at the threshold fires once."""
    unit: str
    """Of the measured value and both thresholds: `ms`, `ratio` (0..1), `percent`, `MB`, `per s`."""
    severity: Severity
    """Whether its alerts page or are tickets."""
    window_s: float = 60.0
    """Over which it is measured."""
    min_samples: int = 10
    """With fewer extractions, the rule neither fires nor resolves."""
    for_s: float = 0.0
    """Time that the condition must hold before it fires; 0 if the window covers that."""
    clear_for_s: float = 60.0
    """Time that the condition must be over before it resolves."""
    cooldown_s: float = 600.0
    """The least time between two notifications that it fires."""
    higher_is_worse: bool = True
    """False where the condition is a value at the threshold or below."""

    def __post_init__(self) -> None:
        for name in ("threshold", "clear", "window_s", "for_s", "clear_for_s", "cooldown_s", "min_samples"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{self.subject}: {name} is {value!r}; use a finite number of at least 0")
        if not 0 < self.window_s <= 3600:  # noqa: PLR2004 what the live view keeps in minutes
            raise ValueError(f"{self.subject}: window_s is {self.window_s!r}; use more than 0 and at most 3600")
        if (self.clear > self.threshold) if self.higher_is_worse else (self.clear < self.threshold):
            side = "at most" if self.higher_is_worse else "at least"
            raise ValueError(f"{self.subject}: clear is {self.clear!r}; use {side} the threshold, {self.threshold!r}")

    def reached(self, value: float) -> bool:
        """Return whether a value, in `unit`, is at the threshold or beyond."""
        return value >= self.threshold if self.higher_is_worse else value <= self.threshold

    def over(self, value: float) -> bool:
        """Return whether a value, in `unit`, is on the healthy side of the clear threshold; false at the threshold itself."""
        return value < self.clear if self.higher_is_worse else value > self.clear


_T: Final = AlertType
_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_MS, _MB = float(requirements.LATENCY_LIMIT_MS), requirements.MEMORY_LIMIT_BYTES / 1e6
_HITS, _ERRORS = requirements.HIT_RATIO, requirements.ERROR_RATIO

DEFAULT_RULES: Final = (
    Rule(_T.LATENCY_THRESHOLD, LATENCY_P95, _MS, 0.9 * _MS, "ms", _PAGE),
    Rule(_T.ERROR_RATE_SPIKE, ERROR_RATE, _ERRORS, _ERRORS / 2, "ratio", _PAGE),
    Rule(
        _T.CACHE_DEGRADATION, CACHE_HIT_RATE, _HITS, _HITS + 0.05, "ratio", _TICKET,
        window_s=300.0, min_samples=20, for_s=60.0, higher_is_worse=False,
    ),
    Rule(
        _T.THROUGHPUT_DROP, THROUGHPUT, 0.5, 0.7, "ratio", _PAGE,
        min_samples=30, for_s=60.0, higher_is_worse=False,
    ),
    Rule(_T.POOL_EXHAUSTION, POOL_WAIT, 25.0, 10.0, "ms", _PAGE, for_s=30.0),
    Rule(_T.POOL_EXHAUSTION, POOL_USE, 0.95, 0.8, "ratio", _PAGE, for_s=60.0, min_samples=0),
    Rule(_T.RESOURCE_USAGE, CPU, 90.0, 80.0, "percent", _TICKET, for_s=120.0, min_samples=0),
    Rule(_T.RESOURCE_USAGE, MEMORY, 90.0, 85.0, "percent", _PAGE, for_s=60.0, min_samples=0),
    Rule(_T.RESOURCE_USAGE, GPU, 95.0, 85.0, "percent", _TICKET, for_s=300.0, min_samples=0),
    Rule(_T.RESOURCE_USAGE, OPERATION_MEMORY, _MB, 0.9 * _MB, "MB", _TICKET, min_samples=1),
)  # fmt: skip
"""The four requirements of the service, and what a user expects beside them. Latency, cache and errors fire where the requirement
is broken with 99 % confidence, so that a few extractions do not page. Throughput is against the hour before."""
