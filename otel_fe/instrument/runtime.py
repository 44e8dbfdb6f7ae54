"""The runtime of extractions while otel_fe is instrumented: a tracer, the engine, the thresholds. One at a time.

`None` means that otel_fe is off: hooks return at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from otel_fe.instrument.live_measurements import LiveMeasurements
    from otel_fe.pipeline.records import DecisionRecord
    from otel_fe.sdk.flush import Providers


class Runtime(Protocol):
    """The services that a running extraction calls."""

    tracer: Tracer
    exception_messages: bool
    """Whether spans get the messages of exceptions, which may quote values."""
    generation: int
    """Raised in a forked child: what the parent began, the parent counts."""

    def derive(self, extraction: LiveMeasurements, span: Span | None, end_ns: int) -> None:
        """Count an ended extraction, and note on it which SLOs it breaks and, if it is slow, where its time went."""
        ...

    def explain(self, trace_id: int) -> DecisionRecord | None:
        """Return why a trace was kept or not; None where it is not, or no longer, known."""
        ...


class Exporting(Protocol):
    """The interface of a pipeline at the end of a process."""

    @property
    def providers(self) -> Providers:
        """The providers to export by."""
        ...

    def decide_all(self) -> None:
        """Hand what is finished to the exporters."""
        ...

    def progress(self) -> int:
        """Return a number that has changed where there is anything new to export since."""
        ...


current: Runtime | None = None
"""The runtime in force; read directly by what is called most."""


def explain_decision(trace_id: int | str) -> DecisionRecord | None:
    """Return why this process kept a trace or did not: every policy's vote, and the value that it saw.

    Args:
        trace_id: The number, or its 32 hexadecimal digits.

    Returns:
        The record of the last decision; None where the trace is not decided yet, or not among the last thousand, or where
        this process does not decide.

    Raises:
        ValueError: The text is no trace id.
    """
    number = trace_id if isinstance(trace_id, int) else int(trace_id, 16)
    return None if current is None else current.explain(number)


def set_runtime(runtime: Runtime | None) -> None:
    """Replace the runtime; None switches extractions off. A running extraction keeps the one it began with."""
    global current  # noqa: PLW0603 written by (un)instrument, and in Ray's workers
    current = runtime


why = explain_decision
"""The former name of `explain_decision`."""
