"""Opens, reads and closes small files of the kernel while holding the GIL, where `ctypes` is available.

Every call of `os` releases the GIL and, beside a thread that computes, gets it back 5 ms later; reading such a file
takes microseconds.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_BYTES: Final = 256
_STAT_BYTES: Final = 512
"""Larger than any platform's `struct stat`."""
_IDENTITY_BYTES: Final = 16
"""Its beginning: the device and the number of the file, and on no platform what changes."""
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class _Calls(NamedTuple):
    """The calls of the C library."""

    open: Callable[[bytes, int], int]
    pread: Callable[[int, Any, int, int], int]
    close: Callable[[int], int]
    fstat: Callable[[int, Any], int] | None
    """glibc has it as a function since 2.33."""
    buffer: Callable[[int], Any]


@cache
def _calls() -> _Calls | None:
    try:
        import ctypes  # noqa: PLC0415 only needed where something watches

        library: Any = ctypes.PyDLL(None)
        calls = _Calls(
            library.open, library.pread, library.close, getattr(library, "fstat", None), ctypes.create_string_buffer
        )
        types: Any = calls
        types.open.argtypes = (ctypes.c_char_p, ctypes.c_int)
        types.pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong)
        types.pread.restype = ctypes.c_ssize_t
        types.close.argtypes = (ctypes.c_int,)
        if calls.fstat is not None:
            types.fstat.argtypes = (ctypes.c_int, ctypes.c_void_p)
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return calls


class File:
    """An open file. A daemon may close every descriptor, this one too: a later file of that number is not touched.

    Args:
        path: Of the file.

    Raises:
        OSError: The file cannot be opened.
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
            OSError: The file can no longer be read.
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
        """Close it, unless other code already has."""
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


def read_once(path: str, most: int = _BYTES) -> bytes:
    """Return the beginning of a file that is not kept open.

    Raises:
        OSError: The file cannot be opened or read.
    """
    calls = _calls()
    if calls is None:
        file = File(path)
        try:
            return file.read(most)
        finally:
            file.close()
    descriptor = calls.open(os.fsencode(path), _FLAGS)
    buffer = calls.buffer(most)
    count = -1 if descriptor < 0 else calls.pread(descriptor, buffer, most, 0)
    if descriptor >= 0:
        calls.close(descriptor)
    if count < 0:
        raise OSError(f"cannot read {path}")
    content: bytes = buffer.raw[:count]
    return content


def _identity_of(descriptor: int) -> object:
    calls = _calls()
    if calls is None or calls.fstat is None:
        found = os.fstat(descriptor)
        return found.st_dev, found.st_ino
    buffer = calls.buffer(_STAT_BYTES)
    if calls.fstat(descriptor, buffer):
        raise OSError(f"descriptor {descriptor} is not open")
    return buffer.raw[:_IDENTITY_BYTES]
