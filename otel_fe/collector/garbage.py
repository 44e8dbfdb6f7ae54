"""When Python looks for cycles of garbage.

It does so after every few hundred new objects, and looks at all that is young; spans are objects by the ten thousand, which die
soon and are in no cycle. Left alone, that takes a third of the collector's time. What does make cycles here (errors with their
tracebacks, connections) is little, and can wait for seconds.
"""

from __future__ import annotations

import gc
import time
from typing import Final

_YOUNG_S: Final = 10.0
_ALL_S: Final = 120.0


class Garbage:
    """Looks for cycles now and then; called by the thread that ticks."""

    def __init__(self) -> None:
        self._young_s = self._all_s = time.monotonic()

    def take_charge(self) -> None:
        """From now on, cycles are only looked for in `work`."""
        gc.collect()
        gc.freeze()  # what there is at the start stays
        gc.disable()

    def work(self) -> None:
        """Look for cycles, if it is time to."""
        now_s = time.monotonic()
        if now_s - self._all_s >= _ALL_S:
            self._all_s = self._young_s = now_s
            gc.collect()
        elif now_s - self._young_s >= _YOUNG_S:
            self._young_s = now_s
            gc.collect(1)
