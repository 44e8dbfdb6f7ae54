"""Processors of the Collector v0.160 that otel_fe has besides `tail_sampling`, with their keys and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_fe.config import kinds
from otel_fe.config.reading import Fields, Key, Section, Unsupported

_MOST: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class BatchProcessor:
    """Collects small requests into larger ones."""

    timeout_ns: int = 200_000_000
    """The longest wait for more; 0 to send at once."""
    send_batch_size: int = 8_192
    """Items (spans, data points or log records) that are sent without waiting."""
    send_batch_max_size: int = 0
    """The most items in a request; 0 for no bound."""


@dataclass(frozen=True, slots=True)
class MemoryLimiter:
    """Refuses data while the process has too much memory in use."""

    check_interval_ns: int
    limit_mib: int = 0
    """Of the process; 0 where `limit_percentage` counts. Where both are set, this counts, as in the Collector."""
    spike_limit_mib: int = 0
    """Data is refused from this much below the limit; 0 for a fifth of the limit."""
    limit_percentage: int = 0
    """Of the memory that the machine or the container has."""
    spike_limit_percentage: int = 0
    """Likewise; 0 for a fifth of the limit."""


def _check_batch(fields: Fields) -> None:
    most = fields.get("send_batch_max_size", 0)
    if 0 < most < fields.get("send_batch_size", BatchProcessor().send_batch_size):
        fields.problem("send_batch_max_size", "use at least send_batch_size (8192 by default), or 0")


def _check_limits(fields: Fields) -> None:
    # A limit that was refused has its own problem already.
    limits = [fields.get(key, key in fields.places) for key in ("limit_mib", "limit_percentage")]
    if not any(limits):
        fields.section.problem("give limit_mib or limit_percentage, more than 0", value=False)
    for unit in ("mib", "percentage"):
        limit = fields.get(f"limit_{unit}", 0)
        if 0 < limit <= fields.get(f"spike_limit_{unit}", 0):
            fields.problem(f"spike_limit_{unit}", f"use less than limit_{unit}, which is {limit}")


BATCH: Final[Section[BatchProcessor]] = Section(
    BatchProcessor,
    {
        "timeout": Key(kinds.duration(), "timeout_ns"),
        "send_batch_size": Key(kinds.integer(0, _MOST)),
        "send_batch_max_size": Key(kinds.integer(0, _MOST)),
        "metadata_keys": Unsupported("batches do not depend on who sent them"),
        "metadata_cardinality_limit": Unsupported("batches do not depend on who sent them"),
    },
    _check_batch,
)
"""The keys of the processor `batch`."""

_COLLECTION: Final = Unsupported("Python frees memory as it goes")
MEMORY_LIMITER: Final[Section[MemoryLimiter]] = Section(
    MemoryLimiter,
    {
        "check_interval": Key(kinds.duration(1), "check_interval_ns", required="give check_interval, for example 1s"),
        "limit_mib": Key(kinds.integer(0, _MOST)),
        "spike_limit_mib": Key(kinds.integer(0, _MOST)),
        "limit_percentage": Key(kinds.integer(0, 100)),
        "spike_limit_percentage": Key(kinds.integer(0, 100)),
        "min_gc_interval_when_soft_limited": _COLLECTION,
        "min_gc_interval_when_hard_limited": _COLLECTION,
        "max_gc_interval_when_soft_limited": _COLLECTION,
        "max_gc_interval_when_hard_limited": _COLLECTION,
    },
    _check_limits,
)
"""The keys of the processor `memory_limiter`."""
