"""Headroom of services and ends of their error budgets, as gauges and alerts: computed hourly, in a separate process.

A model takes seconds of CPU, and its forecast libraries that the collector does not need: a child of low priority runs `otel-fe
capacity --json`, so that receiving spans never waits for it. A child that fails, or takes too long, leaves what was known before.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from otel_fe import process_metrics, semconv
from otel_fe.alerting.alert import AlertType, Severity
from otel_fe.alerting.evaluation import Evaluation
from otel_fe.alerting.rule import Rule
from otel_fe.capacity.text import when
from otel_fe.clock import SystemClock
from otel_fe.collector.budget_ends import BudgetEnds
from otel_fe.live.view import ExtractionGroup
from otel_fe.pipeline.slo_engine import GaugeValue
from otel_fe.units import HOUR_S, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_fe.clock import Clock

    Document = dict[str, Any]

EVERY_S: Final = HOUR_S
FIRST_S: Final = 600.0
"""Until the first computation: before, there are too few measurements."""
_LONGEST_S: Final = 300.0
_CLEAR: Final = 0.9
"""Share of the headroom below which traffic certainly is no problem."""
_LOWEST_PRIORITY: Final = 19
_RULE: Final = Rule(
    AlertType.CAPACITY,
    "traffic ahead",
    0.0,
    0.0,
    "per s",
    Severity.TICKET,
    window_s=HOUR_S,
    min_samples=0,
    clear_for_s=HOUR_S,
    cooldown_s=6 * HOUR_S,
)
_log = logging.getLogger("otel_fe")


class CapacityWatch:
    """Computes the headroom of each service, and when error budgets end. Safe to share between threads.

    Args:
        directory: The store's.
        slo: A file of OpenSLO documents; None for the four requirements.
        ask: Returns the document of `otel-fe capacity --json`; by default, from a child process.
        clock: For the time that is left of a budget.
    """

    def __init__(
        self,
        directory: Path,
        slo: Path | None = None,
        ask: Callable[[], Document] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._arguments = ["capacity", "--store", str(directory), "--traffic", "1", "--json"]
        if slo is not None:
            self._arguments += ["--slo", str(slo)]
        self._ask = ask or self._child
        self._clock = clock or SystemClock()
        self._budgets = BudgetEnds()
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._gauges: tuple[GaugeValue, ...] = ()
        self._evaluations: tuple[Evaluation, ...] = ()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otel-fe-capacity", daemon=True)

    def start(self) -> None:
        """Start: the first result comes in ten minutes."""
        self._thread.start()

    def gauges(self) -> tuple[GaugeValue, ...]:
        """Return headroom of each service and feature set for which there is one, and the time until error budgets end."""
        return self._gauges + self._budgets.gauges(self._now_s())

    def evaluations(self) -> tuple[Evaluation, ...]:
        """Return the evaluations for alerts on forecast traffic, and on budgets that are about to end."""
        return self._evaluations + self._budgets.evaluations(self._now_s())

    def refresh(self) -> None:
        """Compute it again; where that fails, the last result stays, and the reason is logged."""
        try:
            services = self._ask()["services"]
            self._gauges = tuple(gauge for one in services for gauge in _gauges(one))
            self._evaluations = tuple(found for one in services if (found := _evaluation(one)) is not None)
            self._budgets.take(services)
        except Exception as error:
            if not self._stopped.is_set():
                _log.warning("the capacity of services could not be computed: %s", error)

    def stop(self) -> None:
        """End, and the child with it."""
        self._stopped.set()
        with self._lock:
            if self._running is not None:
                self._running.kill()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _now_s(self) -> float:
        return self._clock.time_ns() / NS_PER_S

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._stopped.wait(wait_s):
            self.refresh()
            wait_s = EVERY_S

    def _child(self) -> Document:
        command = [sys.executable, "-m", "otel_fe.cli", *self._arguments]
        with self._lock:
            if self._stopped.is_set():
                return {"services": []}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
            self._running = child = subprocess.Popen(command, text=True, encoding="utf-8", **pipes)  # type: ignore[call-overload]  # noqa: S603 our own command
        try:
            _lower_priority(child.pid)
            written, problem = child.communicate(timeout=_LONGEST_S)
        finally:
            child.kill()
            child.wait()
            with self._lock:
                self._running = None
        if child.returncode:
            raise RuntimeError(
                problem.strip().splitlines()[-1] if problem.strip() else f"exit status {child.returncode}"
            )
        found: Document = json.loads(written)
        return found


def _lower_priority(pid: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, pid, _LOWEST_PRIORITY)
    except (AttributeError, OSError):
        return  # it ends anyway


def _gauges(service: Document) -> list[GaugeValue]:
    found = []
    for group in service["groups"]:
        headroom = group["headroom_per_s"]["value"]
        labels = {} if group["feature_set"] is None else {semconv.FEATURE_SET: group["feature_set"]}
        if headroom is not None:
            found.append(GaugeValue(process_metrics.HEADROOM, service["service"], labels, float(headroom)))
    return found


def _evaluation(service: Document) -> Evaluation | None:
    """Return what the next days' traffic is to the headroom; today's traffic where there is no forecast; None without a model."""
    if not service["groups"]:
        return None
    whole = service["groups"][0]
    headroom, outlook = whole["headroom_per_s"]["value"], service.get("outlook") or {}
    ahead = outlook.get("traffic_per_s")
    peak = max((hour["value"] for hour in ahead), default=0.0) if ahead else float(whole["rate_now_per_s"])
    first = whole["gives_out_first"]
    blame = f"{first} gives out first" if first else ""
    return Evaluation(
        _RULE,
        peak,
        holds=peak >= headroom,
        over=peak < _CLEAR * headroom,
        group=ExtractionGroup(service["service"], ""),
        threshold=headroom,
        words=blame,
        outlook=_used_up(outlook.get("headroom_used_up") or {}),
    )


def _used_up(moment: Document) -> str:
    """Return when headroom is used up, in words; empty where it is not known."""
    expected = moment.get("expected_unix_s")
    if expected is None:
        return ""
    return f"headroom is used up {when(expected)}"
