"""The extraction of a block while otel_fe is off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.trace import INVALID_SPAN

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class InertExtraction:
    """The extraction of a block while otel_fe is off: it has the whole interface, without any effect."""

    span: Final[Span] = INVALID_SPAN

    def cache_hit(self, count: int = 1) -> None:
        """Do nothing."""

    def cache_miss(self, count: int = 1) -> None:
        """Do nothing."""

    def fail(self, error: BaseException) -> None:
        """Do nothing."""

    def __reduce__(self) -> str:
        return "INERT"


INERT: Final = InertExtraction()


def inert() -> InertExtraction:
    """Return the one there is; for pickle."""
    return INERT
