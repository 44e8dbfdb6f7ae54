"""Prints the demo's progress on stderr: its steps, and how far each is."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from otel_fe.terminal import Progress, is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_OFF_TERMINAL_S: Final = 10.0


class Narrator:
    """Says steps in lines of their own, and progress in a line that is rewritten; every ten seconds where there is no terminal.

    Args:
        quiet: Whether to say nothing.
        now_s: A monotonic clock.
    """

    def __init__(self, *, quiet: bool = False, now_s: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._now_s = now_s
        self._line = Progress(quiet=quiet, now_s=now_s)
        self._terminal = is_terminal(sys.stderr)
        self._next_s = 0.0

    def say(self, line: str) -> None:
        """Begin a step."""
        self._line.close()
        self._next_s = self._now_s() + _EVERY_OFF_TERMINAL_S
        if not self._quiet:
            print(f"otel-fe demo: {line}", file=sys.stderr, flush=True)

    def progress(self, line: str) -> None:
        """Print how far the step is."""
        if self._terminal:
            self._line.show(line)
        elif self._now_s() >= self._next_s:
            self.say(line)

    def close(self) -> None:
        """Erase the line of progress."""
        self._line.close()
