"""The collector's configuration, read from its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.config.collector import read_collector_config
from otel_fe.config.text_file import read_text_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from otel_fe.config.collector import CollectorConfig


def read_config(path: Path, environ: Mapping[str, str]) -> CollectorConfig:
    """Read the configuration.

    Raises:
        InvalidConfigError: Something is wrong in it; the error holds all problems.
        ConfigurationError: The file is not UTF-8.
        OSError: The file cannot be read.
    """
    return config_of(read_text_file(path), path, environ)


def config_of(text: str, path: Path, environ: Mapping[str, str]) -> CollectorConfig:
    """Return the configuration that a file holds.

    Raises:
        InvalidConfigError: Something is wrong in it; the error holds all problems.
    """
    return read_collector_config(text, str(path), environ)
