"""Splits a request that a backend refuses as malformed, until the malformed items are isolated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.collector.exporters.payload import EXPORT_FAILED, MALFORMED, SENT, SHUTDOWN, UNREACHABLE
from otel_fe.collector.exporters.splitting import split
from otel_fe.units import MINUTE_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.delivery import Delivery
    from otel_fe.collector.exporters.payload import Payload

MOST_TRIES: Final = 64
"""Additional tries for one request: enough for four bad items among 8 192."""
PAUSE_NS: Final = MINUTE_NS
"""Time without splitting after a backend has refused every part of a request: it refuses everything."""
_TELLING_TRIES: Final = 8
"""Refused parts, with none accepted, after which the backend is taken to refuse everything."""


@dataclass(slots=True)
class _Search:
    """The search for the malformed items of one request."""

    tries_left: int = MOST_TRIES
    why: str = ""
    """Reason of the last refusal."""
    outcomes: list[Counter[str]] = field(default_factory=list)
    interrupted: str = ""
    """The reason for giving up."""
    once: bool = False


class Isolation:
    """Delivers requests, and splits those that are refused as malformed. Any number of threads may deliver at a time.

    A part that was taken is not sent again. Splitting takes at most `MOST_TRIES`; parts not tried by then are lost as
    `export_failed`, and so is a request of which no part is taken. An item that is refused alone is `malformed`.

    Args:
        delivery: Sends a request.
        clock: For the pause.
    """

    def __init__(self, delivery: Delivery, clock: Clock) -> None:
        self._delivery = delivery
        self._clock = clock
        self._paused_until_ns = clock.monotonic_ns()

    def deliver(self, payloads: Sequence[Payload], *, once: bool = False) -> list[Counter[str]]:
        """Send payloads of one signal as one request; return for each how many of its items ended for which reason.

        Args:
            payloads: At least one.
            once: Do not retry after a temporary failure: it ends as `unreachable`.
        """
        signal, items = payloads[0].signal, sum(payload.items for payload in payloads)
        # Protobuf joins repeated fields of messages that are written one after the other.
        data = payloads[0].data if len(payloads) == 1 else b"".join(payload.data for payload in payloads)
        reason, refused, divisible = self._delivery.send(signal, data, items, once=once)
        if not refused:
            return [Counter({reason: payload.items}) for payload in payloads]
        if not divisible or items < 2 or self._clock.monotonic_ns() < self._paused_until_ns:  # noqa: PLR2004 one is alone
            self._delivery.reachability.dropped(EXPORT_FAILED, items, refused)
            return [Counter({EXPORT_FAILED: payload.items}) for payload in payloads]
        search = _Search(why=refused, once=once)
        for payload in payloads:
            search.outcomes.append(self._isolated(payload, search, known=len(payloads) == 1))
        return self._concluded(search)

    def _isolated(self, payload: Payload, search: _Search, *, known: bool) -> Counter[str]:
        """Return how many items of a part ended for which reason.

        Args:
            payload: The part.
            search: Its request's.
            known: The backend is known to refuse the part, so it is not tried.
        """
        if search.interrupted:
            return Counter({search.interrupted: payload.items})
        halves = self._halves(payload)
        if not known or halves is None:
            if not search.tries_left:
                return Counter({EXPORT_FAILED: payload.items})
            search.tries_left -= 1
            reason, refused, divisible = self._delivery.send(
                payload.signal, payload.data, payload.items, once=search.once
            )
            search.interrupted = reason if reason in (SHUTDOWN, UNREACHABLE) else ""
            if not refused:
                return Counter({reason: payload.items})
            search.why = refused
            if not divisible:
                return Counter({EXPORT_FAILED: payload.items})
        if halves is None:
            return Counter({MALFORMED: payload.items})
        first = self._isolated(halves[0], search, known=False)
        # If the first half was accepted, the malformed items are in the second.
        return first + self._isolated(halves[1], search, known=set(first) == {SENT})

    def _halves(self, payload: Payload) -> tuple[Payload, Payload] | None:
        if payload.items < 2:  # noqa: PLR2004 one cannot be split
            return None
        try:
            head, tail = split(payload, payload.items // 2, by_bytes=False)
        except ValueError:
            return None
        return None if head is None or tail is None else (head, tail)

    def _concluded(self, search: _Search) -> list[Counter[str]]:
        """Count the losses by reason, and log them."""
        total = sum(search.outcomes, Counter[str]())
        if SENT not in total:
            # Everything is refused, so the cause is the backend rather than an item.
            if MOST_TRIES - search.tries_left >= _TELLING_TRIES:
                self._paused_until_ns = self._clock.monotonic_ns() + PAUSE_NS
            for outcome in search.outcomes:
                outcome[EXPORT_FAILED] += outcome.pop(MALFORMED, 0)
            total = sum(search.outcomes, Counter[str]())
        for reason in (MALFORMED, EXPORT_FAILED):
            if total[reason]:
                self._delivery.reachability.dropped(reason, total[reason], search.why)
        return [+outcome for outcome in search.outcomes]
