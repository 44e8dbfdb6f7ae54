"""The extractions that run now, and how to wake the watcher. A separate module, so that extractions import little.

An extraction puts itself in when it begins and takes itself out when it ends: two operations on a dictionary. A dictionary keeps
the order in which they began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

opened: dict[int, Any] | None = None
"""Keyed by their `id`; None while nothing watches."""
asleep = False
"""Whether the watcher waits for the next extraction to begin, however long that takes."""


def _nothing() -> None:
    """Do nothing: there is no watcher."""


wake: Callable[[], None] = _nothing
"""Called by an extraction that begins while `asleep` holds."""


def _unseen(_extraction: Any, _end_ns: int) -> Sequence[Any]:
    """Return nothing: there is no watcher."""
    return ()


segments_of: Callable[[Any, int], Sequence[Any]] = _unseen
"""Returns what was seen of an extraction that has ended, up to its end (monotonic ns)."""


def open_with(waking: Callable[[], None], seeing: Callable[[Any, int], Sequence[Any]]) -> None:
    """Start registering extractions."""
    global opened, wake, asleep, segments_of  # noqa: PLW0603 read directly by what is called most
    opened, wake, asleep, segments_of = {}, waking, True, seeing


def close() -> None:
    """Stop registering extractions, and forget those that run."""
    global opened, wake, asleep, segments_of  # noqa: PLW0603 likewise
    opened, wake, asleep, segments_of = None, _nothing, False, _unseen
