"""Reads a text file that a user has written."""

from __future__ import annotations

from pathlib import Path

from otel_fe.errors import ConfigurationError


def read_text_file(file: str | Path) -> str:
    """Return what a file holds.

    Raises:
        OSError: The file cannot be read.
        ConfigurationError: The file is not UTF-8.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(file), f"byte {error.start}", "write the file in UTF-8") from error
