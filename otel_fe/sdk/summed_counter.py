"""An up-down counter of another instrumentation, whose changes are summed and forwarded when metrics are collected.

The SDK takes some 25 µs for each change, and offers it as an exemplar whether or not its trace will be kept. The sums that readers
collect are the same.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import Attributes

_APART: Final = 1_024
"""Changes that are collected before they are summed and forwarded."""
_counters: Final[weakref.WeakSet[SummedCounter]] = weakref.WeakSet()
_collecting: Final[set[int]] = set()
"""The metric sources that forward sums before readers collect, by `id`; without any, changes are forwarded at once."""


class SummedCounter:
    """Proxy of a counter; all but `add` is the counter's own.

    Args:
        counter: An up-down counter of the API.
    """

    def __init__(self, counter: Any) -> None:
        self._counter = counter
        self._waiting: deque[tuple[float, Attributes]] = deque()
        _counters.add(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._counter, name)

    def add(self, amount: float, attributes: Attributes = None, context: Context | None = None) -> None:
        """Count a change. Appending needs no lock."""
        if not _collecting:
            self._counter.add(amount, attributes, context)
            return
        self._waiting.append((amount, attributes))
        if len(self._waiting) >= _APART:
            self.flush()

    def flush(self) -> None:
        """Forward the sums of the counted changes."""
        sums: dict[Any, float] = {}
        waiting = self._waiting
        while waiting:
            try:
                amount, attributes = waiting.popleft()
            except IndexError:  # another thread took the last
                break
            key = tuple(attributes.items()) if attributes else ()
            sums[key] = sums.get(key, 0) + amount
        for key, total in sums.items():  # sums of 0, too: they make a series known
            self._counter.add(total, dict(key))


def begin(source: object) -> None:
    """Sum from now on: `source` calls `flush_all` before readers collect."""
    _collecting.add(id(source))


def end(source: object) -> None:
    """Forward the sums and, unless another source still collects, later changes at once."""
    _collecting.discard(id(source))
    flush_all()


def flush_all() -> None:
    """Forward the sums of every counter. Never raises."""
    for counter in list(_counters):
        try:
            counter.flush()
        except Exception as fault:
            faults.record("metrics.summed", fault)
