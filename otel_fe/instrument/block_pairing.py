"""Pairing the end of a `with` block with its beginning, whatever context, task or thread each of them runs in.

A declaration may be shared: four clients of a streaming response are inside the same one at once. A server runs each step of
a generator in a context of its own, so nothing that is kept in a context variable reaches the end of the block; and a context
variable per block would stay in its context for ever. A `with` statement enters and exits from one and the same frame, a
suspended generator's too: that frame identifies the block.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from types import CodeType

T = TypeVar("T")

_MAX_ENTERED: Final = 10_000
"""Blocks of one declaration that are open at once. Of more, the oldest is taken to have been left without its exit."""

Place = tuple[int, "CodeType"]
"""A frame: its id, and its code, which distinguishes it from a later frame at the same address.

Not the frame itself: it holds the block's exit, so a generator that is dropped would live on until the garbage collector
finds the cycle, and run its clean-up late.
"""


def place(depth: int = 1) -> Place:
    """Return the frame `depth` calls above the calling function."""
    frame = sys._getframe(depth + 1)
    return id(frame), frame.f_code


class Entered(Generic[T]):
    """The blocks of one declaration that have been entered and not left. Safe to share between threads and tasks."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[Place, list[T]] = {}

    def __len__(self) -> int:
        return sum(len(blocks) for blocks in list(self._open.values()))

    def enter(self, at: Place, block: T) -> T | None:
        """Note a block that is entered at a frame; return one that has to go for it, where there are too many."""
        self._open.setdefault(at, []).append(block)
        return self._take(self._oldest()) if len(self._open) > _MAX_ENTERED else None

    def leave(self, at: Place, innermost: object) -> T | None:
        """Return the block that is left, and forget it; None where none is open.

        Args:
            at: The frame that leaves it. Of blocks that one frame has entered, the last is left first.
            innermost: Which block the context says is the innermost; taken where the frame has entered none, as an
                `ExitStack` leaves. Else it is the oldest: of all that are open, their number and the sum of their
                durations stay exact.
        """
        if at in self._open:
            return self._take(at, -1)
        for found, blocks in list(self._open.items()):
            # Frames that have ended may share an address, and so a place: it need not be the last there.
            for index, block in enumerate(list(blocks)):
                if block is innermost:
                    return self._take(found, index)
        return self._take(self._oldest())

    def _oldest(self) -> Place | None:
        return next(iter(list(self._open)), None)  # a copy: another thread may enter meanwhile

    def _take(self, at: Place | None, index: int = 0) -> T | None:
        blocks = None if at is None else self._open.get(at)
        if at is None or not blocks:
            return None
        block = blocks.pop(index)
        if not blocks:
            self._open.pop(at, None)
        return block
