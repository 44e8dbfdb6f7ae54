"""Opens, reads and closes small files of the kernel's with the interpreter held, where `ctypes` can be had.

Every call of `os` lets go of the interpreter, and beside a thread that computes gets it back 5 ms later; such a file is read within
microseconds.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_BYTES: Final = 256
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class _Calls(NamedTuple):
    """The calls of the C library."""

    open: Callable[[bytes, int], int]
    pread: Callable[[int, Any, int, int], int]
    close: Callable[[int], int]
    buffer: Callable[[int], Any]


@cache
def _calls() -> _Calls | None:
    try:
        import ctypes  # noqa: PLC0415 only needed where something watches

        library: Any = ctypes.PyDLL(None)
        calls = _Calls(library.open, library.pread, library.close, ctypes.create_string_buffer)
        types: Any = calls
        types.open.argtypes = (ctypes.c_char_p, ctypes.c_int)
        types.pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong)
        types.pread.restype = ctypes.c_ssize_t
        types.close.argtypes = (ctypes.c_int,)
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return calls


class File:
    """An open file. A daemon that closes every descriptor closes this one as well: what then goes by its number is not touched.

    Args:
        path: Of the file.

    Raises:
        OSError: It cannot be opened.
    """

    __slots__ = ("_descriptor", "_identity")

    def __init__(self, path: str) -> None:
        calls = _calls()
        if calls is None:
            self._descriptor = os.open(path, _FLAGS)
        else:
            self._descriptor = calls.open(os.fsencode(path), _FLAGS)
            if self._descriptor < 0:
                raise OSError(f"cannot open {path}")
        self._identity = _identity_of(self._descriptor)

    def read(self, most: int = _BYTES) -> bytes:
        """Return its beginning.

        Raises:
            OSError: It cannot be read, any more.
        """
        calls = _calls()
        if calls is None:
            return os.pread(self._descriptor, most, 0)
        buffer = calls.buffer(most)
        count = calls.pread(self._descriptor, buffer, most, 0)
        if count < 0:
            raise OSError(f"cannot read descriptor {self._descriptor}")
        content: bytes = buffer.raw[:count]
        return content

    def close(self) -> None:
        """Close it, unless somebody else has."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if _identity_of(descriptor) != self._identity:
                return
        except OSError:
            return
        calls = _calls()
        if calls is None:
            os.close(descriptor)
        else:
            calls.close(descriptor)


def _identity_of(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino
