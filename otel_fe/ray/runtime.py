"""The runtime of extractions inside a Ray worker: the usual one, which also reports extractions to Ray."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import faults
from otel_fe.instrument.extraction import current_extraction
from otel_fe.ray.request import current, request_here

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_fe.instrument.live_measurements import LiveMeasurements
    from otel_fe.instrument.runtime import Runtime
    from otel_fe.model.measurements import Measurements

_MOST: Final = 10_000
"""Extractions that wait to be published, which happens once a second; more only count as lost."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An extraction to be published."""

    figures: Measurements
    application: str
    deployment: str


class RayOutbox:
    """Extractions on their way to Ray's metrics. Appending needs no lock."""

    def __init__(self) -> None:
        self._waiting: deque[Ended] = deque(maxlen=_MOST)
        self.lost = 0
        """Extractions that were pushed out before they were published."""

    def add(self, ended: Ended) -> None:
        """Queue an extraction; a full queue drops the oldest."""
        if len(self._waiting) == _MOST:
            self.lost += 1
        self._waiting.append(ended)

    def take(self) -> list[Ended]:
        """Return what is waiting, oldest first."""
        taken: list[Ended] = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken


class WorkerRuntime:
    """Notes on each extraction whose request it worked for, and queues it for Ray's metrics; the rest is the inner runtime's.

    Args:
        inner: The runtime that was in force.
        outbox: Gets every extraction that ends.
    """

    def __init__(self, inner: Runtime, outbox: RayOutbox) -> None:
        self.inner = inner
        self.tracer = inner.tracer
        self.exception_messages = inner.exception_messages
        self._outbox = outbox

    @property
    def generation(self) -> int:
        """The inner runtime's: it changes in a forked child."""
        return self.inner.generation

    def derive(self, extraction: LiveMeasurements, span: Span | None, end_ns: int) -> None:
        """Count an ended extraction."""
        try:
            self._note(extraction, span)
        except Exception as fault:
            faults.record("ray.derive", fault)
        self.inner.derive(extraction, span, end_ns)

    def _note(self, extraction: LiveMeasurements, span: Span | None) -> None:
        request = request_here()
        if request is None:
            self._outbox.add(Ended(extraction, "", ""))
            return
        if span is not None and span.is_recording():
            span.set_attributes(request.attributes())
        if request is current.get() and current_extraction() is None:
            request.extraction_ns += extraction.duration_ns
        self._outbox.add(Ended(extraction, request.application, request.deployment))
