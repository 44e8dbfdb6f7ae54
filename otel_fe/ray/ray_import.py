"""Imports Ray on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from otel_fe.errors import MissingExtraError


def ray_module(name: str = "ray") -> Any:
    """Return a module of Ray's.

    Raises:
        MissingExtraError: Ray, or the requested Ray Serve, is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtraError("the integration with Ray Serve", "ray") from None
