"""An exporter without a queue, for destinations that never block: the log, and none at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.collector.exporters.exporter import ExporterCounts
from otel_fe.collector.exporters.outcome import Delivered, Failed
from otel_fe.collector.exporters.payload import EXPORT_FAILED, SENT
from otel_fe.collector.exporters.tallies import Tallies

if TYPE_CHECKING:
    from otel_fe.collector.exporters.outcome import Transport
    from otel_fe.collector.exporters.payload import Payload, Settled


class Immediate:
    """Sends each payload while it is offered.

    Args:
        transport: One that answers at once.
        settled: Called with each settled payload, before `offer` returns.
    """

    def __init__(self, transport: Transport, settled: Settled) -> None:
        self._transport = transport
        self._tallies = Tallies(settled)

    def start(self) -> None:
        """Start the transport."""
        self._transport.start()

    def accept(self, payload: Payload) -> str:
        """Send a payload."""
        self.offer(payload)
        return SENT

    enqueue = accept

    def settle(self, payload: Payload, reason: str) -> None:
        """Settle a payload that was not taken."""
        self._tallies.settle(payload, reason)

    def offer(self, payload: Payload) -> bool:
        """Send a payload."""
        outcome = self._transport.send(payload.signal, payload.data) if payload.data else Delivered()
        failed = isinstance(outcome, Failed)
        self._tallies.settle(payload, EXPORT_FAILED if failed else SENT)
        return not failed

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 nothing waits
        """Return at once: nothing waits."""
        return True

    def shutdown(self, timeout_s: float) -> None:  # noqa: ARG002 nothing waits
        """Close the transport."""
        self._transport.close()

    def counts(self) -> ExporterCounts:
        """Return what has been counted so far."""
        with self._tallies.lock:
            items = dict(self._tallies.items)
        return ExporterCounts(sent=items.pop(SENT, 0), lost=items)


class Nowhere:
    """The transport of the exporter `nop`."""

    def start(self) -> None:
        """Do nothing."""

    def send(self, signal: str, data: bytes) -> Delivered:  # noqa: ARG002 it is discarded
        """Close the transport."""
        return Delivered()

    def close(self) -> None:
        """Do nothing."""
