r"""Regular expressions as the Collector has them: those of RE2, by RE2 itself.

Python's `re` looks alike and means something else (`$`, `\d`, `\b`, `(?i)`), and on a pattern such as `(a+)+$` it can take for
ever; RE2 needs time in proportion to the text, for any pattern.
"""

from __future__ import annotations

import functools
from typing import Any

from otel_fe.errors import MissingExtraError


class Pattern:
    """A compiled pattern."""

    __slots__ = ("_search",)

    def __init__(self, compiled: Any) -> None:
        self._search = compiled.search

    def search(self, text: str) -> object | None:
        """Return a match where the pattern is found in a text, else None; nothing is found in one that is no Unicode."""
        try:
            found: object | None = self._search(text)
        except UnicodeEncodeError:  # half of a surrogate pair
            return None
        return found


@functools.lru_cache(256)
def compile_re2(pattern: str) -> Pattern:
    """Compile a pattern.

    Raises:
        ValueError: RE2 refuses the pattern; the message says why.
        MissingExtraError: RE2 is not installed (the extra `collector`).
    """
    try:
        import re2  # noqa: PLC0415 an extra
    except ImportError:
        raise MissingExtraError("a regular expression in a Collector configuration", "collector") from None
    options = re2.Options()
    options.log_errors = False
    try:
        return Pattern(re2.compile(pattern, options))
    except UnicodeEncodeError as error:
        raise ValueError(f"it is no Unicode: {error.reason}") from None
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise ValueError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
