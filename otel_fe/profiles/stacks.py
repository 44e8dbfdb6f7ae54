"""The stacks of a slow extraction, read from the event that its span carries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_fe.profiles.repeated_calls import RepeatedCalls

HELD_BY: Final = "[held by] "
"""In front of the frame that held the interpreter or the event loop, at the end of a stack that waited for it."""
_FRAME: Final = re.compile(r"(?P<file>.*):(?P<line>\d+) (?P<function>.*)", re.DOTALL)
_MOST_US: Final = 1 << 53


@dataclass(frozen=True, slots=True, order=True)
class Frame:
    """A line of code on a stack."""

    file: str
    """Empty where only a name is known."""
    line: int
    """0 where it is unknown."""
    function: str
    held_by: bool = False
    """Whether it belongs to what the extraction waited for, rather than to the extraction."""

    @property
    def name(self) -> str:
        """The function, marked where it is what the extraction waited for."""
        return f"{HELD_BY}{self.function}" if self.held_by else self.function

    def __str__(self) -> str:
        where = f"{self.file}:{self.line} {self.function}" if self.file else self.function
        return f"{HELD_BY}{where}" if self.held_by else where


class Stack(NamedTuple):
    """A stack that was seen, and for how long."""

    cause: str
    """One of `semconv.TIME`."""
    frames: tuple[Frame, ...]
    """The outermost first."""
    microseconds: int

    @property
    def time_ns(self) -> int:
        """The same in nanoseconds, which profiles and pages count in."""
        return self.microseconds * 1_000


@dataclass(frozen=True, slots=True)
class SlowExtraction:
    """The stacks of one slow extraction, and what profiles link and label them by."""

    trace_id: int
    span_id: int
    start_ns: int
    """Unix time."""
    duration_ns: int
    service: str
    feature_set: str
    weight: float
    """The weight of the extraction."""
    stacks: tuple[Stack, ...]
    lines: tuple[Stack, ...] = ()
    """The application's own lines that took most, as stacks of one frame: only the process knows whose code a file is."""
    repeated: tuple[RepeatedCalls, ...] = ()
    """The N+1s among its calls, those that take most of its time first."""


def lines_of(top: Iterable[str]) -> tuple[Stack, ...]:
    """Return the lines of `cause file:line function microseconds`; one that is none is left out."""
    return tuple(stack for line in top if (stack := _stack(line.replace(" ", ";", 1))) is not None and stack.frames)


def stacks_of(folded: Iterable[str]) -> tuple[Stack, ...]:
    """Return the stacks of collapsed lines; a line that is none, such as another program may have sent, is left out."""
    return tuple(stack for line in folded if (stack := _stack(line)) is not None)


def _stack(line: str) -> Stack | None:
    path, _, number = line.rpartition(" ")
    cause, *frames = path.split(";")
    if not (cause and number.isdecimal() and number.isascii() and int(number) <= _MOST_US):
        return None
    return Stack(cause, tuple(map(frame_of, frames)), int(number))


def frame_of(text: str) -> Frame:
    """Return a frame of `file:line function`, or of a name alone."""
    held_by = text.startswith(HELD_BY)
    found = _FRAME.fullmatch(text.removeprefix(HELD_BY))
    if found is None:
        return Frame("", 0, text.removeprefix(HELD_BY), held_by)
    return Frame(found["file"], min(int(found["line"]), (1 << 31) - 1), found["function"], held_by)
