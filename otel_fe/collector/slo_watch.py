"""SLOs over the store's counts: evaluated twice a minute, sent to an Alertmanager and stderr, exported as gauges."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.alerting import Alertmanager, FeatureExtractionAlertingSystem, State
from otel_fe.alerting.message import headline, parts
from otel_fe.collector.accounts import GAUGE, Sample
from otel_fe.config.openslo import read_openslo_file
from otel_fe.live.source import LiveSource
from otel_fe.pipeline.counted_events import CountedEvents
from otel_fe.pipeline.slo_engine import SloEngine, gauges
from otel_fe.store import StoreReader
from otel_fe.store.silence_file import SilenceFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from otel_fe.alerting import Alert, Origin, Silence
    from otel_fe.alerting.kept_silence import KeptSilence
    from otel_fe.clock import Clock
    from otel_fe.collector.capacity_watch import CapacityWatch
    from otel_fe.model.slo import Slo
    from otel_fe.pipeline.slo_engine import GaugeValue, SloState

EVERY_S: Final = 30.0
_LOOK_S: Final = 1.0
"""Seconds between checks for new or lifted silences, on which alerts are evaluated at once."""
_log = logging.getLogger("otel_fe")


class SloWatch:
    """Evaluates SLOs in its own thread, from the same counts that a dashboard shows; honours the silences made there.

    Args:
        directory: Of a store that is open.
        slos: The SLOs to evaluate.
        clock: Both clocks.
        alertmanager: URL of an Alertmanager that receives alerts; empty for none.
        origin: Where the links of alerts lead.
        capacity: Knows the headroom of services, and when budgets end; None leaves it out. It is started and stopped with this.
    """

    def __init__(
        self,
        directory: Path,
        slos: Sequence[Slo],
        clock: Clock,
        alertmanager: str = "",
        origin: Origin | None = None,
        capacity: CapacityWatch | None = None,
    ) -> None:
        self._reader = StoreReader(directory)
        self._engine = SloEngine(slos, CountedEvents(self._reader.sums), clock)
        self._clock = clock
        self._capacity = capacity
        self._states: tuple[SloState, ...] = ()
        self._silences = SilenceFile(directory)
        self._seen = self._silences.signature()
        self._known: dict[str, KeptSilence] = {}
        """Silences that were in force at the last evaluation, by id."""
        nothing_live = LiveSource(clock, lambda: None)
        self._alerts = FeatureExtractionAlertingSystem(
            nothing_live,
            rules=(),
            slo_states=lambda: self._states,
            more=None if capacity is None else capacity.evaluations,
            silences=self._in_force,
            origin=origin,
            log_events=False,
            on_fault=_warn,
        )
        self._alerts.register_alert_handler(None, _Said())
        if alertmanager:
            self._alerts.register_alert_handler(None, Alertmanager(alertmanager))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otel-fe-slos", daemon=True)

    def start(self) -> None:
        """Start evaluating."""
        self._thread.start()
        if self._capacity is not None:
            self._capacity.start()

    def evaluate(self) -> None:
        """Evaluate every SLO, and send what has changed."""
        self._states = self._engine.evaluate()
        self._alerts.evaluate()

    def samples(self) -> list[Sample]:
        """Return burn rates, what is left of budgets, their ends, headroom and alerts that fire, as figures of the collector."""
        headroom = () if self._capacity is None else self._capacity.gauges()
        return [_sample(value) for value in (*gauges(self._states), *headroom, *self._alerts.gauges())]

    def stop(self) -> None:
        """Send the remaining alerts, and end."""
        self._stopped.set()
        if self._capacity is not None:
            self._capacity.stop()
        if self._thread.is_alive():
            self._thread.join(EVERY_S)
        self._alerts.close()
        self._reader.close()

    def _run(self) -> None:
        due_ns = self._clock.monotonic_ns() + round(EVERY_S * 1e9)
        while not self._stopped.wait(_LOOK_S):
            signature = self._silences.signature()
            if signature == self._seen and self._clock.monotonic_ns() < due_ns:
                continue
            self._seen = signature
            due_ns = self._clock.monotonic_ns() + round(EVERY_S * 1e9)
            try:
                self.evaluate()
            except Exception:
                # The next round may find the store readable again.
                _log.exception("SLOs could not be evaluated")

    def _in_force(self) -> list[Silence]:
        """Return the silences that the store's dashboard has made; changes are logged, so that no alert is silenced unnoticed."""
        found = {one.id: one for one in self._silences.in_force(self._clock.time_ns())}
        for one in found.values():
            if one.id not in self._known:
                until = datetime.fromtimestamp(one.until_ns / 1e9, timezone.utc).isoformat(timespec="seconds")
                _log.warning(
                    "alerts of %s are silenced until %s, by %r: %r", one.describe(), until, one.author, one.comment
                )
        for one in self._known.values():
            if one.id not in found:
                _log.warning("alerts of %s are no longer silenced", one.describe())
        self._known = found
        return [one.in_process(self._clock) for one in found.values()]


def read_slos(path: Path | None, environ: Mapping[str, str]) -> tuple[Slo, ...]:
    """Return the SLOs of a file of OpenSLO documents; the four requirements where there is none.

    Raises:
        ConfigurationError: The file is not UTF-8, or has a problem.
        OSError: The file cannot be read.
    """
    found = read_openslo_file(path, environ)
    for warning in found.warnings if path is not None else ():  # those of our own file are known
        _log.warning("%s", warning)
    return found.slos


def _sample(value: GaugeValue) -> Sample:
    labels: dict[str, Any] = {semconv.SERVICE_NAME: value.service, **value.attributes}
    return Sample(value.name, GAUGE, tuple(sorted((name, str(text)) for name, text in labels.items())), value.value)


class _Said:
    """Logs incidents."""

    takes_incidents: Final = True

    def __call__(self, alert: Alert) -> None:
        level = logging.WARNING if alert.state is State.FIRING else logging.INFO
        words = "; ".join(f"{name}: {text}" for name, text in parts(alert).items())
        _log.log(level, "alert %s (%s): %s. %s", alert.state.value, alert.severity.value, headline(alert), words)


def _warn(name: str, fault: BaseException | None) -> None:
    _log.warning("%s failed: %s", name, "too slow, or its queue is full" if fault is None else fault)
