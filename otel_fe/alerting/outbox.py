"""The receivers of alerts, and the outcome of deliveries."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from otel_fe.alerting.delivery.lane import Lane
from otel_fe.alerting.incident_log import IncidentLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.alerting.alert import Alert, AlertType

_log = logging.getLogger("otel_fe")


@dataclass(slots=True)
class _Route:
    """One receiver."""

    type: AlertType | None
    """Which alerts; None for all."""
    receive: Callable[[Alert], object]
    lane: Lane
    incidents: IncidentLog | None
    """The incident log of a receiver of incidents; None for a receiver of every alert."""
    repeated_ns: int = field(default=0)


class Outbox:
    """Delivers alerts to receivers, each on its own lane. Safe to share between threads.

    Args:
        timeout_s: A receiver that takes longer has hung.
        on_fault: Called besides with the name of what failed and the error, if any; must not raise.
    """

    def __init__(self, timeout_s: float, on_fault: Callable[[str, BaseException | None], None] | None) -> None:
        self._timeout_s = timeout_s
        self._on_fault = on_fault
        self._routes: tuple[_Route, ...] = ()
        self.faults: Counter[str] = Counter()
        """`receiver: raised`, `receiver: timeout` and `receiver: queue_full`, so far."""

    def add(self, alert_type: AlertType | None, receive: Callable[[Alert], object]) -> None:
        """Register a receiver of alerts of one type, or of all.

        One that has `repeat_s` and `repeat` is reminded of firing alerts.

        One that has `takes_incidents` receives one message per incident rather than one per alert.
        """
        name = getattr(receive, "__qualname__", type(receive).__name__).rpartition(".")[2]
        taken = {route.lane.name for route in self._routes}
        if name in taken:
            name = next(f"{name}-{number}" for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)
        log = IncidentLog() if getattr(receive, "takes_incidents", False) else None
        self._routes = (*self._routes, _Route(alert_type, receive, Lane(name, self._fault, self._timeout_s), log))

    def remove(self, receive: Callable[[Alert], object]) -> bool:
        """Remove a receiver; return whether it was registered."""
        gone = [route for route in self._routes if route.receive == receive]
        self._routes = tuple(route for route in self._routes if route.receive != receive)
        for route in gone:
            route.lane.close(time.monotonic())
        return bool(gone)

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Queue the alerts of a moment for all receivers, without waiting. Receivers of incidents get one message each."""
        for route in self._routes:
            mine = [alert for alert in alerts if route.type in (None, alert.type)]
            for message in mine if route.incidents is None else route.incidents.take(mine):
                route.lane.put(partial(_receive, route.receive, message))

    def remind(self, alerts: Sequence[Alert], now_ns: int) -> None:
        """Repeat firing alerts to the receivers that want it, when due (monotonic), and find blocked receivers."""
        for route in self._routes:
            route.lane.check()
            receive: Any = route.receive
            every_s = getattr(receive, "repeat_s", None)
            if every_s is None or now_ns - route.repeated_ns < every_s * 1e9:
                continue
            route.repeated_ns = now_ns
            mine = [alert for alert in alerts if route.type in (None, alert.type)]
            if route.incidents is not None:
                mine = route.incidents.open({alert.key for alert in mine})
            if mine:
                route.lane.put(partial(receive.repeat, mine))

    def wait(self, seconds: float) -> bool:
        """Wait until all receivers have their alerts; return whether they do."""
        deadline = time.monotonic() + seconds
        return not sum(not route.lane.wait(deadline) for route in self._routes)  # every one of them: no short cut

    def close(self, seconds: float) -> None:
        """Deliver the remaining alerts, for so long at most, and then no more."""
        deadline = time.monotonic() + seconds
        for route in self._routes:
            route.lane.close(deadline)

    def renew(self) -> None:
        """Forget undelivered alerts; in a forked child, whose parent delivers them."""
        for route in self._routes:
            route.lane.renew()
            if route.incidents is not None:
                route.incidents = IncidentLog()

    def _fault(self, receiver: str, what: str, error: BaseException | None) -> None:
        name = f"{receiver}: {what}"
        self.faults[name] += 1
        if self.faults[name] == 1:
            reason = "" if error is None else f" ({type(error).__name__})"
            _log.warning(
                "otel_fe: alerts to %s%s; the others are not affected. Further ones are only counted.", name, reason
            )
        if self._on_fault is not None:
            self._on_fault(f"alerts.{what}", error)


def _receive(receive: Callable[[Alert], object], alert: Alert) -> None:
    receive(alert)
