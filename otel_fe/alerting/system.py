"""FeatureExtractionAlertingSystem: evaluates the rules, keeps the state of alerts, and notifies receivers."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_fe.alerting.alert import Alert, AlertType, State
from otel_fe.alerting.alert_state import AlertStateTable
from otel_fe.alerting.delivery.log_events import LogEvents
from otel_fe.alerting.gauges import Labels, active_gauges, labels_of
from otel_fe.alerting.likely_cause import Likely, exemplars_of, likely_cause
from otel_fe.alerting.origin import Origin
from otel_fe.alerting.outbox import Outbox
from otel_fe.alerting.rule import DEFAULT_RULES, POOL_USE
from otel_fe.alerting.silence import Silence
from otel_fe.alerting.sources import measure_burning, measure_pools
from otel_fe.alerting.thresholds import measure, measure_machine
from otel_fe.forks import renew_after_fork
from otel_fe.live.source import LiveSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from otel_fe.alerting.evaluation import Evaluation
    from otel_fe.alerting.rule import Rule
    from otel_fe.alerting.sources import PoolUse
    from otel_fe.pipeline.slo_engine import GaugeValue, SloState

_T = TypeVar("_T")
_HISTORY: Final = 1_000
_HANG_S: Final = 10.0
_BURN_COOLDOWN_S: Final = 600.0


class FeatureExtractionAlertingSystem:
    """Alerts on what a collector sees. Safe to share between threads.

    Args:
        metrics_collector: An EnhancedMetricsCollector.
        rules: What to alert on.
        slo_states: Returns the states of SLOs (`SloEngine.evaluate`), for alerts on burning budgets.
        pools: Returns the pools in use, for alerts on exhausted ones beside the waits that extractions had.
        more: Returns further readings, for example of anomalies.
        silences: Returns silences that others have made, beside those of `silence`; called at each evaluation. Where it
            fails, alerts are sent.
        origin: Who speaks in the alerts, and where their links lead.
        log_events: Whether to emit OTLP log events, through the SDK's logger provider where there is one.
        history_size: Transitions that `get_alert_history` remembers.
        receiver_timeout_s: A receiver that takes longer has hung.
        on_fault: Called with the name and the error of what went wrong with a source or a receiver; must not raise.
    """

    def __init__(
        self,
        metrics_collector: Any,
        rules: Sequence[Rule] = DEFAULT_RULES,
        *,
        slo_states: Callable[[], Iterable[SloState]] | None = None,
        pools: Callable[[], Iterable[PoolUse]] | None = None,
        more: Callable[[], Iterable[Evaluation]] | None = None,
        silences: Callable[[], Iterable[Silence]] | None = None,
        origin: Origin | None = None,
        log_events: bool = True,
        history_size: int = _HISTORY,
        receiver_timeout_s: float = _HANG_S,
        on_fault: Callable[[str, BaseException | None], None] | None = None,
    ) -> None:
        source = (
            metrics_collector
            if isinstance(metrics_collector, LiveSource)
            else getattr(metrics_collector, "source", None)
        )
        if not isinstance(source, LiveSource):
            raise TypeError(f"metrics_collector is {metrics_collector!r}; use an EnhancedMetricsCollector")
        self._source = source
        self._rules = tuple(rules)
        self._slo_states, self._pools, self._more, self._others = slo_states, pools, more, silences
        self.origin = Origin() if origin is None else origin
        """The origin of the alerts, with their links; may be replaced."""
        self._on_fault = on_fault
        self._outbox = Outbox(receiver_timeout_s, on_fault)
        self._history_size = history_size
        self._silences: dict[str, Silence] = {}
        self._reset()
        if log_events:
            self._outbox.add(None, LogEvents())
        renew_after_fork(self._after_fork)

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._board = AlertStateTable(self._source.clock, self._explain, lambda: self.origin)
        self._history: deque[Alert] = deque(maxlen=self._history_size)
        self._seen: set[Labels] = set()
        self.source_faults: Counter[str] = Counter()
        """Evaluations that went without `slo_states`, `pools`, `more`, `silences` or an explanation, because that failed."""

    def _after_fork(self) -> None:
        self._reset()
        self._outbox.renew()

    # --- receivers ----------------------------------------------------------------------------------------------------

    def register_alert_handler(self, alert_type: AlertType | None, handler: Callable[[Alert], object]) -> None:
        """Call a function with each alert when it fires, and again when it is resolved (see `alert.state`).

        Args:
            alert_type: Of which type; None for all.
            handler: Called on its own thread, one alert after the other: one that raises or hangs affects no other. A
                `Webhook` or an `Alertmanager` (`otel_fe.alerting.delivery`) is one.

        Raises:
            TypeError: The type is no type of alert, or the handler cannot be called.
        """
        if alert_type is not None and not isinstance(alert_type, AlertType):
            raise TypeError(f"alert_type is {alert_type!r}; use an AlertType, or None for all")
        if not callable(handler):
            raise TypeError(f"handler is {handler!r}; use something that can be called with an alert")
        self._outbox.add(alert_type, handler)

    def unregister_alert_handler(self, handler: Callable[[Alert], object]) -> bool:
        """Remove a handler; return whether it was registered.

        Args:
            handler: The object that was registered, for one type or for all.
        """
        return self._outbox.remove(handler)

    # --- evaluating -----------------------------------------------------------------------------------------------------

    def check_performance_alerts(self, wait_s: float = 1.0) -> list[Alert]:
        """Evaluate every rule now, notify receivers of changes, and return the alerts that fire.

        Args:
            wait_s: How long to wait for handlers to have been called, at most; 0 not at all.
        """
        firing = self.evaluate()
        if wait_s > 0:
            self._outbox.wait(wait_s)
        return firing

    def evaluate(self) -> list[Alert]:
        """Do the same without waiting; every ten seconds in the background."""
        with self._lock:
            self._attempt("source", self._source.refresh)
            told = self._board.take(self._readings(), self._silent(self._taken("silences", self._others)))
            self._history.extend(told)
            if told:
                self._outbox.tell(told)
            firing = self._board.alerts(State.FIRING)
            self._seen |= {labels_of(alert) for alert in firing}
            unsilenced = [alert for alert in firing if not alert.silenced]
            self._outbox.remind(unsilenced, self._source.clock.monotonic_ns())
        return firing

    def _readings(self) -> list[Evaluation]:
        found: list[Evaluation] = []
        held = self._board.held_rates()
        resources = self._attempt("resources", self._source.resources)
        pools = self._taken("pools", self._pools)
        for one in self._rules:
            found += measure(one, self._source.view, held)
            if resources is not None:
                found += measure_machine(one, resources)
            if one.subject == POOL_USE:
                found += measure_pools(one, pools)
        found += measure_burning(self._taken("slo_states", self._slo_states), _BURN_COOLDOWN_S)
        return found + self._taken("more", self._more)

    def _taken(self, name: str, take: Callable[[], Iterable[_T]] | None) -> list[_T]:
        """Return the values of a source; none without one, or where it fails."""
        return [] if take is None else self._attempt(name, lambda: list(take())) or []

    def _explain(self, reading: Evaluation) -> tuple[Likely, tuple[str, ...]]:
        why = self._attempt("cause", lambda: likely_cause(reading, self._source))
        exemplars = self._attempt("exemplars", lambda: exemplars_of(reading, self._source))
        return why or Likely(), exemplars or ()

    def _attempt(self, name: str, do: Callable[[], Any]) -> Any:
        """Return the readings of a source; None where it fails, so that the other rules are still evaluated."""
        try:
            return do()
        except Exception as fault:
            self.source_faults[name] += 1
            if self._on_fault is not None:
                self._on_fault(f"alerts.{name}", fault)
            return None

    # --- what there is --------------------------------------------------------------------------------------------------

    def get_active_alerts(self) -> list[Alert]:
        """Return what fired at the last evaluation, silenced ones too, the oldest first."""
        with self._lock:
            return self._board.alerts(State.FIRING)

    def get_pending_alerts(self) -> list[Alert]:
        """Return alerts whose condition holds, but not for long enough, or that are in their cooldown."""
        with self._lock:
            return self._board.alerts(State.PENDING)

    def get_alert_history(self, limit: int = 100) -> list[Alert]:
        """Return the sent alerts, firing and resolved, the newest first.

        Args:
            limit: How many at most; no more than `history_size` are remembered.
        """
        with self._lock:
            return list(self._history)[::-1][:limit]

    def faults(self) -> dict[str, int]:
        """Return what went wrong with receivers and sources, by name and what, so far."""
        return {**self._outbox.faults, **self.source_faults}

    def gauges(self) -> list[GaugeValue]:
        """Return `feature_extraction.alert.active`: how many fire, by type; 0 for what has fired before."""
        with self._lock:
            return active_gauges(self._seen, self._board.alerts(State.FIRING))

    # --- silences -------------------------------------------------------------------------------------------------------

    def silence(
        self,
        duration_s: float,
        alert_type: AlertType | None = None,
        *,
        feature_set: str | None = None,
        service: str | None = None,
        comment: str = "",
    ) -> str:
        """Silence alerts that match all arguments for a while; return the silence's id.

        An alert that was sent before is still sent as resolved. One that still fires at the end of the silence is sent then.

        Args:
            duration_s: How long, from now; the monotonic clock counts.
            alert_type: Of which type; None for all.
            feature_set: Of which feature set; None for all, empty for alerts that are about none.
            service: Of which service; None for all, empty for this process.
            comment: The reason and the person, as `get_silences` returns them.

        Raises:
            ValueError: `duration_s` is not above 0.
        """
        made = Silence.lasting(duration_s, self._source.clock, alert_type, feature_set, service, comment)
        with self._lock:
            self._silences[made.id] = made
        return made.id

    def unsilence(self, silence_id: str) -> bool:
        """End a silence; return whether it was in force.

        Args:
            silence_id: From `silence`. Silences of the `silences` argument end where they are made.
        """
        with self._lock:
            return self._silences.pop(silence_id, None) is not None

    def get_silences(self) -> list[Silence]:
        """Return the silences that are in force."""
        now = self._source.clock.monotonic_ns()
        with self._lock:
            self._silences = {name: one for name, one in self._silences.items() if now < one.until_ns}
            return list(self._silences.values())

    def _silent(self, others: list[Silence]) -> Callable[[Evaluation], bool]:
        now = self._source.clock.monotonic_ns()
        silences = [*self._silences.values(), *others]
        return lambda reading: any(one.matches(reading, now) for one in silences)

    def close(self, wait_s: float = 2.0) -> None:
        """Deliver the remaining alerts and stop the threads.

        Args:
            wait_s: How long delivery may take; alerts that remain after that are lost.
        """
        self._outbox.close(wait_s)
