"""A library that can be hooked, and its description in the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Replaced(Protocol):
    """A function or method of a library that can be replaced and restored."""

    def apply(self) -> None:
        """Replace it, once."""
        ...

    def remove(self) -> None:
        """Put it back."""
        ...


@dataclass(frozen=True, slots=True)
class About:
    """A row of the README's table of libraries."""

    library: str
    """Its package on PyPI; the value of `feature_extraction.library`, and its name in `OTEL_FE_DISABLED_LIBRARIES`."""
    extraction: str
    """Which call is an extraction."""
    children: str
    """Its child spans; empty if there are none."""
    versions: tuple[str, str]
    """The oldest and the newest version that the tests run against."""
