"""Delivers one request: with retries until it is accepted, rejected permanently, or out of time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.collector.exporters.backoff import Backoff
from otel_fe.collector.exporters.outcome import Delivered, Failed, brief
from otel_fe.collector.exporters.payload import EXPORT_FAILED, RETRY_EXHAUSTED, SENT, SHUTDOWN, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.outcome import Transport
    from otel_fe.collector.exporters.reachability import Reachability
    from otel_fe.collector.exporters.tallies import Tallies
    from otel_fe.config.sending import Retry

_LONGEST_WAIT_S: Final = threading.TIMEOUT_MAX


class Result(NamedTuple):
    """The outcome of a request."""

    reason: str
    """Empty where it was sent, else why it was not."""
    refused: str = ""
    """The backend's message, if it refused the request permanently."""
    divisible: bool = False
    """Whether it may take a part of it."""


class Stop:
    """Set when an exporter shuts down; waits between retries end with it. Ended when the time for the last tries is up."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._ended = False

    def set(self) -> None:
        """End every wait now."""
        self._event.set()

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._event.is_set()

    def end(self) -> None:
        """Stop logging failing requests: from now on the exporter closes their connections itself."""
        self._ended = True

    def is_ended(self) -> bool:
        """Return whether it was ended."""
        return self._ended

    def pause(self, ns: int) -> None:
        """Wait for `ns`, or until it is set."""
        self._event.wait(min(ns / 1e9, _LONGEST_WAIT_S))


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sends requests through one transport, with retries as configured. Any number of threads may deliver at a time."""

    transport: Transport
    retry: Retry | None
    """None to try once."""
    reachability: Reachability
    tallies: Tallies
    clock: Clock
    random: Callable[[], float]
    """Returns a number in [0, 1)."""
    stop: Stop
    """Once it is set, a request has one more try."""

    def send(self, signal: str, data: bytes, items: int, *, once: bool = False) -> Result:
        """Send one request. What is refused for good is left to the caller to report.

        Args:
            signal: `traces`, `metrics` or `logs`.
            data: The request.
            items: How many are in it.
            once: Try no second time.
        """
        backoff = Backoff(self.retry, self.random, self.clock.monotonic_ns()) if self.retry is not None else None
        while True:
            last = once or self.stop.is_set()
            outcome = self._attempt(signal, data)
            if isinstance(outcome, Delivered):
                self._delivered(outcome, items)
                return Result(SENT)
            if self.stop.is_ended():  # says nothing about the backend, and the request is settled already
                return Result(UNREACHABLE if once else SHUTDOWN)
            self.tallies.failed_try()
            if not outcome.may_pass:
                return Result(EXPORT_FAILED, outcome.why or "refused", outcome.divisible)
            self.reachability.failed(outcome.why)
            if last:
                return Result(UNREACHABLE if once else SHUTDOWN)
            wait_ns = backoff.wait_ns(self.clock.monotonic_ns(), outcome.after_ns) if backoff is not None else None
            if wait_ns is None:
                self.reachability.dropped(RETRY_EXHAUSTED, items, outcome.why)
                return Result(RETRY_EXHAUSTED)
            self.stop.pause(wait_ns)

    def _attempt(self, signal: str, data: bytes) -> Delivered | Failed:
        try:
            return self.transport.send(signal, data)
        except Exception as error:
            # A transport returns what can go wrong; this is a fault of ours, which must not end the thread that all wait for.
            return Failed(f"{type(error).__name__}: {brief(error)}", may_pass=False)

    def _delivered(self, outcome: Delivered, items: int) -> None:
        self.reachability.answered()
        if outcome.rejected or outcome.message:
            rejected = min(outcome.rejected, items)
            self.tallies.rejected_of_sent(rejected)
            self.reachability.rejected(rejected, brief(outcome.message))
