"""The `batch` processor: holds what comes until there is enough of it, or until its time is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from otel_fe.config.processors import Batch

Part = TypeVar("Part")


class Gathering(Generic[Part]):
    """Parts of a batch in the making. Not thread-safe: its owner holds a lock.

    Args:
        settings: Of the `batch` processor; None where there is none: everything is due at once.
    """

    def __init__(self, settings: Batch | None) -> None:
        # As in the Collector, a size of 0 and a time of 0 both send at once.
        self._size = settings.send_batch_size if settings is not None else 0
        self._timeout_ns = settings.timeout_ns if settings is not None else 0
        self._parts: list[Part] = []
        self._since_ns = 0
        self.items = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, part: Part, items: int, now_ns: int) -> None:
        """Hold one more part."""
        if not self._parts:
            self._since_ns = now_ns
        self._parts.append(part)
        self.items += items

    def take_due(self, now_ns: int) -> list[Part]:
        """Take all parts, if it is time to send them; else none."""
        waits = self.items < self._size and now_ns - self._since_ns < self._timeout_ns
        return [] if waits or not self._parts else self.take()

    def take(self) -> list[Part]:
        """Take all parts."""
        parts, self._parts, self.items = self._parts, [], 0
        return parts
