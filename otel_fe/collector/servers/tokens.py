"""Bearer tokens that receivers require: the extension `bearertokenauth`."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import TYPE_CHECKING

from otel_fe.config.watched_file import WatchedFile
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.config.extensions import BearerTokenAuth


class Tokens:
    """Checks whether a header holds one of the tokens. Thread-safe.

    Args:
        settings: Of the extension.
        name: Its id, for messages.

    Raises:
        ConfigurationError: The file with the tokens cannot be read, or holds none.
    """

    def __init__(self, settings: BearerTokenAuth, name: str) -> None:
        self.header = settings.header.lower()
        self._scheme = settings.scheme.encode()
        self._file = WatchedFile(Path(settings.filename), self._take) if settings.filename else None
        self._tokens = tuple(token.encode() for token in settings.tokens)
        if self._file is not None:
            self._tokens = ()
            self._file.refresh()
            if not self._tokens:
                raise ConfigurationError(f"{name}: filename", settings.filename, "use a file with a token in each line")

    def accept(self, value: str | bytes | None) -> bool:
        """Return whether a header's value is right; takes as long for one wrong token as for another."""
        if self._file is not None:
            self._file.refresh()
        given = value.encode("utf-8", "replace") if isinstance(value, str) else value or b""
        if self._scheme:
            scheme, blank, given = given.partition(b" ")
            if not blank or scheme.lower() != self._scheme.lower():
                return False
        # All are compared: which one was nearly right must not show.
        found = [hmac.compare_digest(given, token) for token in self._tokens]
        return any(found)

    def _take(self, content: bytes) -> None:
        self._tokens = tuple(line.strip() for line in content.splitlines() if line.strip())
