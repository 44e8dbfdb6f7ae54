"""What extractions need while otel_fe is instrumented: a tracer, the engine, the thresholds. One at a time.

`None` means that otel_fe is off: hooks return at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from otel_fe.instrument.measured import Measured


class Runtime(Protocol):
    """The services that a running extraction calls."""

    tracer: Tracer
    exception_messages: bool
    """Whether spans get the messages of exceptions, which may quote values."""
    generation: int
    """Raised in a forked child: what the parent began, the parent counts."""

    def derive(self, extraction: Measured, span: Span | None, end_ns: int) -> None:
        """Count an ended extraction, and note on it which SLOs it breaks and, if it is slow, where its time went."""
        ...


current: Runtime | None = None
"""The runtime in force; read directly by what is called most."""


def set_runtime(runtime: Runtime | None) -> None:
    """Replace the runtime; None switches extractions off. A running extraction keeps the one it began with."""
    global current  # noqa: PLW0603 the one piece of process-wide state, written by (un)instrument only
    current = runtime
