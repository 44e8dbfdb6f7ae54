"""A bound on the bytes that all HTTP connections hold together: unfinished heads and bodies, and responses not yet sent.

When the bound is reached, the oldest request in progress of the sender that holds the most is cancelled. A normal request is
complete within milliseconds, so the cancelled ones are those that never end.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_HELD_BYTES: Final = 128 << 20
"""Six of the largest requests by default; less where a `memory_limiter` leaves less (see `most_held_bytes`)."""
_FEWEST_HELD_BYTES: Final = 4 << 20
_PART_OF_LIMIT: Final = 4


class Holder(Protocol):
    """A connection that holds bytes."""

    @property
    def sender(self) -> str:
        """Address of the other side."""
        ...

    @property
    def since_s(self) -> float:
        """When its request began, or its response, in seconds of the loop's clock."""
        ...

    @property
    def evictable(self) -> bool:
        """Return whether it waits for the other side; a request being processed is not cut off."""
        ...

    def evict(self) -> None:
        """Cut it off."""
        ...


class HeldBytes:
    """Counts held bytes by connection. Used from the event loop's thread only.

    Args:
        most_bytes: The bound.
    """

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self.most_bytes = most_bytes
        self.total = 0
        self.evicted = 0
        """Connections that were cut off to make room."""
        self._by_holder: dict[Holder, int] = {}

    def hold(self, holder: Holder, size: int) -> bool:
        """Count `size` more bytes for a connection; return false where there is no room, not even after evictions."""
        while self.total + size > self.most_bytes:
            victim = self._victim()
            if victim is None or victim is holder:
                return False
            self.release(victim)
            self.evicted += 1
            victim.evict()
        self.total += size
        self._by_holder[holder] = self._by_holder.get(holder, 0) + size
        return True

    def release(self, holder: Holder) -> None:
        """Forget all bytes of a connection."""
        self.total -= self._by_holder.pop(holder, 0)

    def _victim(self) -> Holder | None:
        by_sender: Counter[str] = Counter()
        for holder, size in self._by_holder.items():
            if holder.evictable:
                by_sender[holder.sender] += size
        if not by_sender:
            return None
        largest = by_sender.most_common(1)[0][0]
        return min(
            (one for one in self._by_holder if one.sender == largest and one.evictable), key=lambda one: one.since_s
        )


def most_held_bytes(soft_limits_bytes: Iterable[int]) -> int:
    """Return the bound under the soft limits of `memory_limiter` processors: a quarter of the lowest, 4 to 128 MiB."""
    lowest = min(soft_limits_bytes, default=MOST_HELD_BYTES * _PART_OF_LIMIT)
    return max(_FEWEST_HELD_BYTES, min(MOST_HELD_BYTES, lowest // _PART_OF_LIMIT))
