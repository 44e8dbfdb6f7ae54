"""Colour and progress, for terminals only: pipes and files get neither."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import TextIO

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_DELAY_S: Final = 1.0
"""A shorter task shows no progress."""
_EVERY_S: Final = 0.1
_ERASE: Final = "\r\033[K"


def coloured(stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> bool:
    """Return whether to colour what goes to a stream: in CPython's order, NO_COLOR, FORCE_COLOR, TERM=dumb, then only a terminal.

    Args:
        stream: Where it goes; None for stdout.
        environ: The environment; None for the process's own.
    """
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and is_terminal(sys.stdout if stream is None else stream)


def paint(style: str, text: str, *, colour: bool) -> str:
    """Return a text in a style: `bold`, `dim`, `red`, `green`, `yellow` or `cyan`; unchanged without colour."""
    return f"\033[{_CODES[style]}m{text}\033[0m" if colour else text


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; one that is closed or absent is none."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


class Progress:
    """A line on a terminal that is rewritten in place, after the first second; nothing elsewhere.

    Args:
        stream: The terminal; None for stderr.
        quiet: Whether to show nothing at all.
        now_s: A monotonic clock.
        delay_s: How long to wait before the first line, in seconds.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        now_s: Callable[[], float] = time.monotonic,
        delay_s: float = _DELAY_S,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = not quiet and is_terminal(self._stream) and os.environ.get("TERM") != "dumb"
        self._now_s = now_s
        self._next_s = now_s() + delay_s
        self._written = False

    def show(self, text: str) -> None:
        """Put a text in the line's place, cut to the terminal's width; at most ten times a second."""
        if not self._shown or (now_s := self._now_s()) < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        self._written = True
        width = shutil.get_terminal_size().columns
        # A line as wide as the terminal wraps on some, and could not be erased.
        print(f"{_ERASE}{text[: width - 1]}", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Erase the line; another `show` brings it back."""
        if self._written:
            print(_ERASE, end="", file=self._stream, flush=True)
            self._written = False

    def __enter__(self) -> Progress:  # noqa: PYI034 `Self` is younger than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
