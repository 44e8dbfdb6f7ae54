"""Ended requests, by their total duration, split into waiting and extraction.

A percentile of a sum is no sum of percentiles. So the split is kept per bucket of the whole latency: of the requests in the
bucket that holds the p95, what they waited, what their extractions took, and what is left, adds up.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.ray.request import ServeRequest

EDGES_MS: Final = (
    *(1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100, 105, 110, 120, 130, 150, 175, 200, 250, 300, 400),
    *(500, 750, 1000, 1500, 2000, 3000, 5000, 10000, 30000, 60000),
)
"""Upper edges of the buckets, inclusive; narrow where the objective is."""
EDGES: Final = (*map(str, EDGES_MS), "+Inf")
"""The same as Prometheus writes them, the last bucket's included."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Whose requests, in which bucket."""

    application: str
    deployment: str
    bucket: int
    """Index into `EDGES_MS`; one past its end for what is slower."""

    @property
    def edge(self) -> str:
        """The bucket's upper edge in ms, as Prometheus writes it."""
        return EDGES[self.bucket]


@dataclass(slots=True)
class RequestSums:
    """Summed times of the requests of one bucket."""

    requests: int = 0
    queue_ns: int = 0
    extraction_ns: int = 0
    latency_ns: int = 0


class RequestsSeen:
    """Counts requests until they are taken; at most one entry per deployment of this process and bucket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[RequestKey, RequestSums] = {}

    def add(self, request: ServeRequest, processing_ns: int) -> None:
        """Count a request that has ended, `processing_ns` after its turn had come."""
        queue_ns = request.queue_ns or 0
        latency_ns = queue_ns + processing_ns
        bucket = bisect_left(EDGES_MS, latency_ns / NS_PER_MS)
        with self._lock:
            sums = self._sums.setdefault(RequestKey(request.application, request.deployment, bucket), RequestSums())
            sums.requests += 1
            sums.queue_ns += queue_ns
            # Extractions that ran side by side took no longer than the request did.
            sums.extraction_ns += min(request.extraction_ns, processing_ns)
            sums.latency_ns += latency_ns

    def take(self) -> dict[RequestKey, RequestSums]:
        """Return what was counted since the last call."""
        with self._lock:
            taken, self._sums = self._sums, {}
        return taken
