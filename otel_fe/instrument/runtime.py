"""What extractions need while otel_fe is instrumented: a tracer, the engine, the thresholds. One at a time.

`None` means that otel_fe is off: hooks return at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from otel_fe.instrument.extraction import Extraction


class Runtime(Protocol):
    """The services that a running extraction calls."""

    tracer: Tracer
    slow_ns: int
    """Extractions of this duration or longer name their bottleneck."""

    exception_messages: bool
    """Whether spans get the messages of exceptions, which may quote values."""
    generation: int
    """Raised in a forked child: what the parent began, the parent counts."""

    def derive(self, extraction: Extraction, end_ns: int) -> tuple[str, ...]:
        """Count the ended extraction in every metric; return the SLOs for which it is a bad event."""
        ...

    def bottleneck(self, extraction: Extraction) -> tuple[str, int]:
        """Return where most of a slow extraction's time went, and how many ns."""
        ...


_current: Runtime | None = None


def current_runtime() -> Runtime | None:
    """Return the runtime in force, or None while otel_fe is off."""
    return _current


def set_runtime(runtime: Runtime | None) -> None:
    """Replace the runtime; None switches extractions off. A running extraction keeps the one it began with."""
    global _current  # noqa: PLW0603 the one piece of process-wide state, written by (un)instrument only
    _current = runtime
