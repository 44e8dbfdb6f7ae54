"""Recent slow extractions with their time by cause, to explain why a group is slow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from otel_fe.pipeline.attribution import CAUSES
from otel_fe.pipeline.causes import Explained
from otel_fe.semconv import CAUSE_CACHE_MISS, CAUSE_CPU, CAUSE_POOL_WAIT, CAUSE_UNEXPLAINED

if TYPE_CHECKING:
    from otel_fe.model.measurements import Measurements

_SLOW: Final = 256
_HITS: Final = 64


class SlowSample:
    """The newest slow extractions of one group, and the newest that hit. Not thread-safe: the owner holds the lock."""

    __slots__ = ("_hits", "_slow")

    def __init__(self) -> None:
        self._slow: deque[tuple[int, Explained]] = deque(maxlen=_SLOW)
        self._hits: deque[tuple[int, int]] = deque(maxlen=_HITS)

    def hit(self, now_ns: int, duration_ns: int) -> None:
        """Remember an extraction whose look-ups all hit: what those that missed could have lasted."""
        self._hits.append((now_ns, duration_ns))

    def slow(self, now_ns: int, figures: Measurements) -> None:
        """Remember a slow extraction."""
        lookups = figures.cache_lookups
        missed = figures.cache_hits < lookups
        split = split_of(figures)
        hotspot: tuple[str, int] | None = getattr(figures, "hotspot", None)  # of those that ran in this process
        bottleneck = max(split, key=split.__getitem__) if hotspot is not None else ""
        explained = Explained(figures.duration_ns, split, missed=missed, hotspot=hotspot, bottleneck=bottleneck)
        self._slow.append((now_ns, explained))

    def since(self, start_ns: int) -> tuple[list[Explained], list[Explained]]:
        """Return the slow ones since a time (monotonic), and the hits."""
        hits = [Explained(duration, {}) for at, duration in self._hits if at >= start_ns]
        return [one for at, one in self._slow if at >= start_ns], hits


def split_of(figures: Measurements) -> dict[str, int]:
    """Return where an extraction's time went, in ns by cause; the parts add up to its duration.

    Who ran it knows best. Of others only sums are known: they are taken in the order in which causes are the more specific,
    each as far as the duration goes.
    """
    known: Any = getattr(figures, "split", None)
    if known:
        return dict(known)
    lookups = figures.cache_lookups
    misses_ns = figures.cache_ns * (lookups - figures.cache_hits) // lookups if lookups else 0
    split: dict[str, int] = dict.fromkeys(CAUSES, 0)
    left = figures.duration_ns
    for cause, time_ns in (
        (CAUSE_POOL_WAIT, figures.pool_wait_ns),
        (CAUSE_CACHE_MISS, misses_ns),
        (CAUSE_CPU, figures.cpu_ns),
    ):
        split[cause] = min(left, max(0, time_ns))
        left -= split[cause]
    split[CAUSE_UNEXPLAINED] = left
    return split
