"""Passes the extractions that an engine counts to its watchers."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING

from otel_fe.forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.measurements import Measurements
    from otel_fe.pipeline.derive import DerivedMetrics

_log = logging.getLogger("otel_fe")


class Feed:
    """Passes on every extraction that one engine counts. A failing watcher does not affect the others."""

    def __init__(self) -> None:
        self._watchers: tuple[Callable[[Measurements], None], ...] = ()
        self.faults = 0
        """Extractions that a watcher could not take."""

    def __call__(self, figures: Measurements) -> None:
        """Hand on one extraction; never raises."""
        for watcher in self._watchers:
            try:
                watcher(figures)
            except Exception as fault:
                self.faults += 1
                if self.faults == 1:
                    _log.warning(
                        "otel_fe: the live view has lost an extraction; further ones are counted", exc_info=fault
                    )

    def add(self, watcher: Callable[[Measurements], None]) -> bool:
        """Add a watcher; return whether it is the only one."""
        self._watchers = (*self._watchers, watcher)
        return len(self._watchers) == 1

    def remove(self, watcher: Callable[[Measurements], None]) -> bool:
        """Remove a watcher; return whether none is left."""
        self._watchers = tuple(one for one in self._watchers if one != watcher)
        return not self._watchers


_lock = threading.RLock()
_feeds: weakref.WeakKeyDictionary[DerivedMetrics, Feed] = weakref.WeakKeyDictionary()


def _after_fork() -> None:
    """Renew the lock in a child: another thread of the parent may have held it."""
    global _lock  # noqa: PLW0603 the child has one thread here
    _lock = threading.RLock()


after_fork(_after_fork)


def watch(metrics: DerivedMetrics, watcher: Callable[[Measurements], None]) -> None:
    """Call `watcher` with every extraction that is counted from now on, until `leave`."""
    with _lock:
        feed = _feeds.setdefault(metrics, Feed())
        if feed.add(watcher):
            metrics.observe(feed)


def leave(metrics: DerivedMetrics, watcher: Callable[[Measurements], None]) -> None:
    """Stop calling it; without watchers, counting costs nothing extra."""
    with _lock:
        feed = _feeds.get(metrics)
        if feed is not None and feed.remove(watcher):
            metrics.observe(None)
