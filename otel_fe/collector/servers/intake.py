"""Accepts the requests of servers."""

from __future__ import annotations

import threading
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import NoPipelineError, RefusedError, StoppingError
from otel_fe.wire.responses import ExportOutcome
from otel_fe.wire.validation import rejection
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_fe.collector.graph.graph import PipelineGraph

_NONE: Final[Mapping[str, int]] = MappingProxyType({})


class IntakeCounters:
    """The counters of one receiver and transport. Updated under `lock`."""

    def __init__(self, receiver: str, transport: str) -> None:
        self.receiver = receiver
        self.transport = transport
        self.lock = threading.Lock()
        self.accepted: Counter[str] = Counter()
        """Spans, data points and log records, by signal."""
        self.rejected: Counter[tuple[str, str]] = Counter()
        """Items rejected from accepted requests (`partial_success`), by signal and reason."""
        self.refused: Counter[str] = Counter()
        """Requests, by reason: of them, nothing was taken."""


class Intake:
    """Takes the requests of one receiver's transport, and counts them. Thread-safe.

    Args:
        received: The counts.
        engine: Returns the engine as it is now: a reload puts another in its place.
    """

    def __init__(self, received: IntakeCounters, engine: Callable[[], PipelineGraph]) -> None:
        self.received = received
        self._engine = engine
        self.stopping = False

    def takes(self, signal: str) -> bool:
        """Return whether some pipeline takes a signal."""
        return signal in self._engine().signals_of(self.received.receiver)

    def take(self, signal: str, payload: bytes, rejected: Mapping[str, int] = _NONE) -> ExportOutcome:
        """Process a request, and return the answer.

        Args:
            signal: `traces`, `metrics` or `logs`.
            payload: The encoded request.
            rejected: Items that could not be put into it, by reason.

        Raises:
            RefusedError: The request is not taken.
            WireError: The request cannot be read.
        """
        received = self.received
        try:
            if self.stopping:
                raise StoppingError
            engine = self._engine()
            try:
                accepted, outcome = engine.take(received.receiver, signal, payload)
            except StoppingError:
                another = engine.successor(self._engine)
                if another is None:
                    raise
                accepted, outcome = another.take(received.receiver, signal, payload)  # it was replaced just now
            if rejected:
                reasons = dict(Counter(rejected) + Counter(outcome.reasons))
                outcome = ExportOutcome(sum(reasons.values()), rejection(reasons), reasons)
        except (RefusedError, WireError) as error:
            self.refuse(error)
            raise
        with received.lock:
            received.accepted[signal] += accepted
            for reason, items in outcome.reasons.items():
                received.rejected[signal, reason] += items
        return outcome

    def refuse(self, error: RefusedError | WireError | str) -> None:
        """Count a request that is not taken."""
        reason = error if isinstance(error, str) else error.reason if isinstance(error, RefusedError) else "invalid"
        with self.received.lock:
            self.received.refused[reason] += 1

    def check(self, signal: str) -> None:
        """Refuse a request before its body is read, by what would refuse it afterwards.

        Raises:
            NoPipelineError: No pipeline takes its signal.
            PressureError: Too much memory is in use already.
        """
        if not self.takes(signal):
            raise NoPipelineError(signal)
        self._engine().check_memory(self.received.receiver, signal)
