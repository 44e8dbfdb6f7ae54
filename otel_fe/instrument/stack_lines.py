"""Converts frames and chains of awaits to file, line and function, and tells whose code it is.

Only strings and numbers are copied; no frame, code object or local variable is kept.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.instrument.wrapper_code import is_wrapper

if TYPE_CHECKING:
    from types import CodeType, FrameType

MOST_FRAMES: Final = 48
"""Frames of one stack: the innermost and the outermost are kept. Consecutive frames of the import system count as one."""
_DEEPEST: Final = 500
"""Frames that are walked at most."""
_MOST_KNOWN: Final = 4_096
_WRAPPING: Final = tuple(
    f"otel_fe/instrument/{name}.py".replace("/", os.sep) for name in ("wrapping", "continued", "handed_work")
)
_EVENTS: Final = "asyncio/events.py".replace("/", os.sep)
_LOCAL: Final = "<locals>."
_RUN: Final = "_run"
_SPECIAL: Final = frozenset(("wrapper", "stepwise", "_stepwise_any", "_steps", "_as_coroutine", "handed_work", _RUN))
"""Names of the functions whose frames are not the application's, to look closer at."""
_new: Final = tuple.__new__
IMPORTING: Final = "<frozen importlib"
"""The prefix of the file names of Python's own import system."""


class Line(NamedTuple):
    """The position of a frame."""

    file: str
    """File name as in the code object."""
    number: int
    function: str
    """Qualified from Python 3.11 on."""


Stack = tuple[Line, ...]
"""The innermost line first."""
_LEFT_OUT: Final = Line("<frozen ...>", 0, "...")


def line_of(frame: FrameType) -> Line:
    """Return the position of a frame."""
    code = frame.f_code
    return Line(code.co_filename, frame.f_lineno or code.co_firstlineno, _name_of(code))


if sys.version_info >= (3, 11):

    def _name_of(code: CodeType) -> str:
        return code.co_qualname
else:

    def _name_of(code: CodeType) -> str:
        return code.co_name


def stack_of(frame: FrameType | None) -> Stack:
    """Return the lines of a stack, down to the outermost wrapper of an extraction; all of them where there is none.

    Frames below it (the server, the event loop) called the extraction and are not part of it.
    """
    lines: list[Line] = []
    wrapper = 0
    for _ in range(_DEEPEST):
        if frame is None:
            break
        code = frame.f_code
        name = code.co_name
        if name in _SPECIAL:
            if is_wrapper(code) or code.co_filename.endswith(_WRAPPING):
                wrapper = len(lines)
                frame = frame.f_back
                continue
            if name == _RUN and code.co_filename.endswith(_EVENTS):
                break
        file = code.co_filename
        if not (file[:1] == "<" and file.startswith(IMPORTING) and lines and lines[-1][0].startswith(IMPORTING)):
            # Not by the constructor, which is a function of Python's own making.
            lines.append(_new(Line, (file, frame.f_lineno or code.co_firstlineno, _name_of(code))))
        frame = frame.f_back
    return shortened(lines[: wrapper or len(lines)])


def shortened(lines: list[Line]) -> Stack:
    """Return the innermost and the outermost lines of a stack that is too deep."""
    if len(lines) <= MOST_FRAMES:
        return tuple(lines)
    half = MOST_FRAMES // 2
    return (*lines[: half - 1], _LEFT_OUT, *lines[-half:])


def awaits_of(awaiting: Any) -> tuple[Stack, Any]:
    """Return the lines at which a suspended coroutine or generator waits, and what the innermost of them awaits.

    Args:
        awaiting: A coroutine, generator, asynchronous generator or task.
    """
    lines: list[Line] = []
    for _ in range(_DEEPEST):
        if hasattr(awaiting, "get_coro"):
            awaiting = awaiting.get_coro()
        frame = _first(awaiting, "cr_frame", "gi_frame", "ag_frame")
        if frame is None:
            break
        if not (is_wrapper(frame.f_code) or frame.f_code.co_filename.endswith(_WRAPPING)):
            lines.append(line_of(frame))
        further = _first(awaiting, "cr_await", "gi_yieldfrom", "ag_await")
        if further is None:
            awaiting = None
            break
        awaiting = further
    lines.reverse()
    return shortened(lines), awaiting


def _first(value: Any, *names: str) -> Any:
    for name in names:
        found = getattr(value, name, None)
        if found is not None:
            return found
    return None


# --- whose code it is ----------------------------------------------------------------------------------------------


def _foreign_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if paths.get(name)}
    if site.ENABLE_USER_SITE and site.USER_SITE:
        found.add(site.USER_SITE)
    return tuple(sorted(folder + os.sep for folder in found))


_FOREIGN: Final = _foreign_folders()
_PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep
_DEMO: Final = _PACKAGE + "demo" + os.sep
_SHARED: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_own: dict[str, bool] = {}
_shown: dict[str, str] = {}


def is_own(file: str) -> bool:
    """Return whether a file is the application's: not the standard library's, an installed package's or otel_fe's."""
    known = _own.get(file)
    if known is None:
        if len(_own) >= _MOST_KNOWN:
            _own.clear()
        known = _own[file] = _belongs_to_application(file)
    return known


def _belongs_to_application(file: str) -> bool:
    if file.startswith(("<frozen ", "<attrs ", "<__array_function__")):
        return False
    if file.startswith(_PACKAGE):
        return file.startswith(_DEMO)
    return not file.startswith(_FOREIGN) and not any(folder in file for folder in _SHARED)


@lru_cache(maxsize=_MOST_KNOWN)
def own_line(stack: Stack) -> Line | None:
    """Return the innermost line of the application's own code, else the innermost of all; None for an empty stack.

    During an import it is the line that imports, not one of the imported module.
    """
    imported = next((at for at in range(len(stack) - 1, -1, -1) if stack[at].file.startswith(IMPORTING)), -1)
    return (
        next((line for line in stack[imported + 1 :] if is_own(line.file)), None)
        or next((line for line in stack if not line.file.startswith(_PACKAGE)), None)
        or (stack[0] if stack else None)
    )


def without_detail(stack: Stack) -> Stack:
    """Return the characteristic lines of a stack: the own line, and of an import the lines that led there."""
    imported = next((at for at in range(len(stack) - 1, -1, -1) if stack[at].file.startswith(IMPORTING)), -1)
    if imported >= 0:
        return stack[imported:]
    own = own_line(stack)
    return () if own is None else (own,)


@lru_cache(maxsize=_MOST_KNOWN)
def is_importing(stack: Stack) -> bool:
    """Return whether a stack is inside an import."""
    return any(line.file.startswith(IMPORTING) for line in stack)


@lru_cache(maxsize=_MOST_KNOWN)
def shown(line: Line) -> str:
    """Return `file:line function`, with the file relative to where Python found it."""
    return f"{_relative(line.file)}:{line.number} {line.function.rpartition(_LOCAL)[2]}"


def _relative(file: str) -> str:
    known = _shown.get(file)
    if known is None:
        if len(_shown) >= _MOST_KNOWN:
            _shown.clear()
        folders = [str(Path(folder).absolute()) + os.sep for folder in (*sys.path, os.curdir)]
        longest = max((folder for folder in folders if file.startswith(folder)), key=len, default="")
        known = _shown[file] = file[len(longest) :].replace(";", ":")
    return known
