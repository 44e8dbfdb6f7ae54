"""A payload that was taken, and how much of a queue it fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from otel_fe.collector.exporters.payload import Payload


@dataclass(slots=True, eq=False)
class Entry:
    """A payload that was taken."""

    payload: Payload
    """Without its data, where that is on disk."""
    size: int
    """In the unit of the queue's sizer."""
    key: int = 0
    """Of its data on disk; 0 in memory."""
    size_bytes: int = 0
    open_parts: int = 1
    """Those that are not settled, of what a batch has split it into."""
    open_items: int = 0
    """The items in them."""
    recovered: bool = False
    """An earlier process took it, whose version may have validated less."""
    kept: bool = False
    """A part of it is to stay on disk, and so does all of it."""
    abandoned: bool = False
    """Settled because time was up: what comes of it later counts no more."""


class Sizer(Protocol):
    """Says how much of a queue's room a payload takes."""

    def __call__(self, items: int, size_bytes: int) -> int:
        """Return its size."""
        ...


SIZERS: Final[dict[str, Sizer]] = {
    "requests": lambda items, size_bytes: 1,  # noqa: ARG005
    "items": lambda items, size_bytes: items,  # noqa: ARG005
    "bytes": lambda items, size_bytes: size_bytes,  # noqa: ARG005
}
"""By the name that `sending_queue::sizer` has for them."""
