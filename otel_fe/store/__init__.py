"""Kept traces, metric series and decision records, bounded, on disk: one process writes, any number read.

`Store` writes (the collector's process), `StoreReader` reads (the dashboard, `otel-fe why`), and neither blocks the other.
"""

from __future__ import annotations

from otel_fe.store.kept import KeptBatch, KeptExtraction, KeptTrace
from otel_fe.store.limits import StoreLimits, Tier
from otel_fe.store.reader import StoreReader
from otel_fe.store.selection import Selection
from otel_fe.store.store import Store
from otel_fe.store.summary import kept_trace
from otel_fe.store.sums import Sums

__all__ = [
    "KeptBatch",
    "KeptExtraction",
    "KeptTrace",
    "Selection",
    "Store",
    "StoreLimits",
    "StoreReader",
    "Sums",
    "Tier",
    "kept_trace",
]
