"""The exporter `debug`: writes requests to the log."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from otel_fe.collector.exporters.debug_text import decode, detailed, names
from otel_fe.collector.exporters.outcome import Delivered, Failed
from otel_fe.units import NS_PER_S
from otel_fe.wire.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.config.exporters import Debug

_log = logging.getLogger("otel_fe.debug")


class DebugTransport:
    """Writes a line a request; with `normal` verbosity a line an item as well, with `detailed` all that is in it.

    Only `detailed` shows values of attributes; `normal` shows their names, where the Collector shows the values too.

    Args:
        settings: The exporter's.
        clock: For the sampling of messages.
        write: Takes a message of one or more lines.
    """

    def __init__(self, settings: Debug, clock: Clock, write: Callable[[str], None] = _log.info) -> None:
        self._settings = settings
        self._clock = clock
        self._write = write
        self._lock = threading.Lock()
        self._second = 0
        self._seen: Counter[str] = Counter()

    def start(self) -> None:
        """Do nothing."""

    def send(self, signal: str, data: bytes) -> Delivered | Failed:
        """Write a request."""
        try:
            request = decode(signal, data)
        except ValueError as error:
            return Failed(str(error), may_pass=False)
        title = signal.capitalize()
        # As zap does it: messages of the same text count together, so that each kind of request has its own share.
        if self._due(title):
            self._write(f"{title}: {_counts(signal, request)}")
        if self._settings.verbosity == "basic":
            return Delivered()
        text = (detailed if self._settings.verbosity == "detailed" else names)(signal, request)
        if text and self._due(text):
            self._write(text)
        return Delivered()

    def close(self) -> None:
        """Do nothing."""

    def _due(self, message: str) -> bool:
        """Return whether a message is one of those of this second that are written."""
        with self._lock:
            second = self._clock.monotonic_ns() // NS_PER_S
            if second != self._second:
                self._second = second
                self._seen.clear()
            self._seen[message] += 1
            beyond = self._seen[message] - self._settings.sampling_initial
        thereafter = self._settings.sampling_thereafter
        return beyond <= 0 or (thereafter > 0 and beyond % thereafter == 0)


def _counts(signal: str, request: Any) -> str:
    of_resources, of_scopes, of_items = SIGNALS[signal].levels
    resources = getattr(request, of_resources)
    items = [item for one in resources for scope in getattr(one, of_scopes) for item in getattr(scope, of_items)]
    counted = {of_resources: len(resources), of_items: len(items)}
    if signal == "metrics":
        counted["data_points"] = sum(
            len(getattr(item, item.WhichOneof("data") or "gauge").data_points) for item in items
        )
    if signal == "profiles":
        counted["samples"] = sum(len(item.samples) for item in items)
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counted.items())
