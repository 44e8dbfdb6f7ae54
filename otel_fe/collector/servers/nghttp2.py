"""Loads libnghttp2, which nearly every machine has that has curl, for sessions of HTTP/2 in C."""

from __future__ import annotations

import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from otel_fe import compiled

if TYPE_CHECKING:
    import ctypes

_NAMES: Final = {
    "linux": ("libnghttp2.so.14",),
    "darwin": ("libnghttp2.14.dylib", "/opt/homebrew/lib/libnghttp2.14.dylib", "/usr/local/lib/libnghttp2.14.dylib"),
}
"""By platform. The number is that of its binary interface, which has not changed since version 1.0."""


@cache
def unusable() -> str:
    """Load the library; return why it cannot be used, or an empty string."""
    if compiled.backend is None:
        return f"the compiled module is not in use: {compiled.missing}"
    try:
        import ctypes  # noqa: PLC0415 only where there is a server
    except ImportError as error:
        return f"this Python has no ctypes ({error})"
    problem = f"there is no name for it on {sys.platform}"
    for name in _NAMES.get(sys.platform, ()):
        try:
            library = ctypes.CDLL(name)
            compiled.backend.use_library(partial(_address, library))
        except (OSError, AttributeError) as error:
            problem = str(error)
        else:
            return ""
    return f"libnghttp2 cannot be loaded: {problem}"


def _address(library: ctypes.CDLL, function: str) -> int:
    """Return the address of a function; 0 for an option that came with a later version.

    Raises:
        AttributeError: There is none, and it is no option.
    """
    import ctypes  # noqa: PLC0415 see above

    name = f"nghttp2_{function}"
    try:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except AttributeError:
        if name.startswith("nghttp2_option_set"):
            return 0
        raise
