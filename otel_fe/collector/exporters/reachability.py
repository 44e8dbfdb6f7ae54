"""Log messages about a backend: a warning when its state changes, and none in between."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from otel_fe.clock import Clock

_log = logging.getLogger("otel_fe")
_QUIET_NS: Final = MINUTE_NS


class Reachability:
    """The reachability of one exporter's backend. Its own lock guards it.

    A backend that comes and goes is spoken of once a minute at most. What is dropped is spoken of when it begins, per reason;
    that has ended once nothing was dropped for the reason for a minute.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._down_since_ns: int | None = None
        self._said = False
        self._quiet_until_ns = clock.monotonic_ns()
        self._failed_tries = 0
        self._dropped: Counter[str] = Counter()
        self._last_drop_ns: dict[str, int] = {}

    def failed(self, why: str) -> None:
        """Note a try that failed but may pass later."""
        with self._lock:
            self._failed_tries += 1
            if self._down_since_ns is not None:
                return
            self._down_since_ns = self._clock.monotonic_ns()
            self._said = self._down_since_ns >= self._quiet_until_ns
            if not self._said:
                return
        _log.warning("exporter %s: the backend cannot be reached (%s)", self._name, why)

    def answered(self) -> None:
        """Note that a request was taken."""
        with self._lock:
            since_ns, self._down_since_ns = self._down_since_ns, None
            if since_ns is None:
                return
            now_ns = self._clock.monotonic_ns()
            down_s = (now_ns - since_ns) / 1e9
            if not self._said:
                return
            self._quiet_until_ns = now_ns + _QUIET_NS
            tries, dropped = self._failed_tries, dict(self._dropped)
            self._failed_tries = 0
            self._dropped.clear()
        lost = ", ".join(f"{items} items dropped ({reason})" for reason, items in dropped.items()) or "nothing dropped"
        _log.warning(
            "exporter %s: the backend is back after %.1f s; failed attempts: %d; %s", self._name, down_s, tries, lost
        )

    def dropped(self, reason: str, items: int, why: str = "") -> None:
        """Note items that will never arrive."""
        with self._lock:
            self._dropped[reason] += items
            now_ns = self._clock.monotonic_ns()
            last_ns = self._last_drop_ns.get(reason)
            self._last_drop_ns[reason] = now_ns
            if last_ns is not None and now_ns - last_ns < _QUIET_NS:
                return
        _log.warning("exporter %s: items are being dropped (%s)%s", self._name, reason, f": {why}" if why else "")

    def rejected(self, items: int, message: str) -> None:
        """Note items that the backend did not take of a request that it took, or what it has to say."""
        self.dropped("partial_success", items, message)
