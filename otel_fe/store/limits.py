"""The bounds of the store, in size and age."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from otel_fe.errors import ConfigurationError
from otel_fe.units import DAY_S, HOUR_S, MIB, MINUTE_S

LOG_BYTES: Final = 8 * MIB
"""Set aside, of `max_bytes`, for SQLite's write-ahead log."""
_LEAST_BYTES: Final = 4 * LOG_BYTES


@dataclass(frozen=True, slots=True)
class Tier:
    """Series at one resolution."""

    width_s: int
    """The time that is summed into one row."""
    keep_s: int
    """Rows older than this are removed."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """The store's settings."""

    max_bytes: int = 1024 * MIB
    """Bytes of all files. Past it the oldest traces go, then the oldest decision records, then the finest series."""
    max_age_s: float = 7 * DAY_S
    """Traces that have been stored for longer are removed, with their logs."""
    max_records: int = 100_000
    """Decision records, of traces that were kept and of those that were not; the oldest make room."""
    tiers: tuple[Tier, ...] = (
        Tier(MINUTE_S, 2 * DAY_S),
        Tier(10 * MINUTE_S, 14 * DAY_S),
        Tier(HOUR_S, 90 * DAY_S),
    )
    """From the finest to the coarsest. Each increment is added to all of them at once, so that their sums agree."""
    max_series: int = 20_000
    """Most series of metrics; the rest is folded into one series each, with `otel.metric.overflow`."""
    max_queued_items: int = 10_000
    """Items that may wait for the next commit; further ones are dropped and counted."""
    max_queued_bytes: int = 64 * MIB
    """Bytes that these items may have, by estimate."""
    linger_s: float = 0.2
    """Seconds that a commit waits for more items."""
    retry_s: float = 1.0
    """Seconds between attempts to write after the disk has refused one."""
    fsync: bool = False
    """Wait for the disk at each commit. Without it a commit survives the end of the process, `kill -9` too; the loss of power may
    take the last moments, and never more than those."""

    def __post_init__(self) -> None:
        for name, least in (
            ("max_bytes", _LEAST_BYTES),
            ("max_records", 1),
            ("max_series", 1),
            ("max_queued_items", 1),
        ):
            _check(name, getattr(self, name) >= least, getattr(self, name), f"use at least {least}")
        for name in ("max_age_s", "max_queued_bytes", "retry_s"):
            _check(name, getattr(self, name) > 0, getattr(self, name), "use a positive number")
        _check("linger_s", self.linger_s >= 0, self.linger_s, "use 0 or more seconds")
        _check("tiers", bool(self.tiers), self.tiers, "name at least one")
        coarsest = self.tiers[-1].width_s
        for tier in self.tiers:
            whole = tier.width_s > 0 and tier.width_s % MINUTE_S == 0 and coarsest % tier.width_s == 0
            _check("tiers", whole, tier, f"use whole minutes that divide the coarsest, {coarsest} s")
            _check(
                "tiers",
                tier.keep_s >= coarsest,
                tier,
                f"keep each at least as long as the coarsest is wide, {coarsest} s",
            )
        for fine, coarse in itertools.pairwise(self.tiers):
            fits = coarse.width_s % fine.width_s == 0 and coarse.width_s > fine.width_s and coarse.keep_s >= fine.keep_s
            _check(
                "tiers", fits, coarse, f"make it a multiple of the one before, {fine.width_s} s, and keep it as long"
            )


def _check(name: str, right: bool, value: object, wanted: str) -> None:  # noqa: FBT001 the condition, where it is written
    if not right:
        raise ConfigurationError(f"store.{name}", value, wanted)
