"""The bearer token that an exporter sends: from the configuration, or from a file that may change while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otel_fe.config.watched_file import WatchedFile

if TYPE_CHECKING:
    from otel_fe.config.extensions import BearerTokenAuth


class Bearer:
    """The header of one `bearertokenauth` extension. Safe to share between threads.

    Args:
        settings: The extension's.
    """

    def __init__(self, settings: BearerTokenAuth) -> None:
        self.header = settings.header
        self._scheme = settings.scheme
        self._file = WatchedFile(Path(settings.filename), self._take) if settings.filename else None
        self._token = settings.tokens[0] if settings.tokens and self._file is None else ""

    def value(self) -> str:
        """Return what the header is to be now; empty where there is no token (yet)."""
        if self._file is not None:
            self._file.refresh()
        token = self._token
        return f"{self._scheme} {token}" if token and self._scheme else token

    def _take(self, content: bytes) -> None:
        words = content.decode().split(maxsplit=1)
        self._token = words[0] if words else ""
