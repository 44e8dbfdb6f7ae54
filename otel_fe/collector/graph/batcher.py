"""Collects parts until there are enough or their time is up: for `batch` processors, and between two sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from otel_fe.clock import FAR_NS

if TYPE_CHECKING:
    from otel_fe.config.processors import BatchProcessor

_MOST_PAUSED: Final = 5_000
"""Items that end a pause."""

Part = TypeVar("Part")


class Batcher(Generic[Part]):
    """The parts of the next batch. Not thread-safe: its owner holds a lock.

    Args:
        settings: Of the `batch` processor; None where there is none: parts are due at once.
        pause_ns: How long nothing is due after something was. A request to a backend costs as much as a hundred spans, and under
            load one for every request that came would be a good part of the work; what comes now and then still leaves at once.
    """

    def __init__(self, settings: BatchProcessor | None, pause_ns: int = 0) -> None:
        # As in the Collector, a size of 0 and a time of 0 both send at once.
        self._size = settings.send_batch_size if settings is not None else 0
        self._timeout_ns = settings.timeout_ns if settings is not None else 0
        self._pause_ns = pause_ns
        self._paused_until_ns = 0
        self._parts: list[Part] = []
        self._since_ns = 0
        self.items = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def due_ns(self) -> int:
        """When `take_due` will give what is held; far away where nothing is."""
        if not self._parts:
            return FAR_NS
        full = self.items >= self._size
        return max(0 if full else self._since_ns + self._timeout_ns, self._paused_until_ns)

    def add(self, part: Part, items: int, now_ns: int) -> None:
        """Add a part."""
        if not self._parts:
            self._since_ns = now_ns
        self._parts.append(part)
        self.items += items

    def take_due(self, now_ns: int) -> list[Part]:
        """Remove and return all parts if they are due; else none."""
        if not self._parts or (self.items < self._size and now_ns - self._since_ns < self._timeout_ns):
            return []
        if now_ns < self._paused_until_ns and self.items < _MOST_PAUSED:
            return []
        self._paused_until_ns = now_ns + self._pause_ns
        return self.take()

    def take(self) -> list[Part]:
        """Remove and return all parts."""
        parts, self._parts, self.items = self._parts, [], 0
        return parts
