"""The bearer token that an exporter sends: from the configuration, or from a file that may change while it runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

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
        self._file = Path(settings.filename) if settings.filename else None
        self._token = settings.tokens[0] if settings.tokens and self._file is None else ""
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] | None = None

    def value(self) -> str:
        """Return what the header is to be now; empty where there is no token (yet)."""
        if self._file is not None:
            self._refresh(self._file)
        token = self._token
        return f"{self._scheme} {token}" if token and self._scheme else token

    def _refresh(self, file: Path) -> None:
        """Read the file where it has changed; while it is not there, the last token stays."""
        try:
            status = file.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            with self._lock:
                if version == self._version:
                    return
                words = file.read_text().split(maxsplit=1)
                self._token = words[0] if words else ""
                self._version = version
        except (OSError, ValueError):
            return
