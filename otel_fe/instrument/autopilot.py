"""The autopilot in this process: its measurements, the resources that it may resize, and reports of its steps."""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import SeverityNumber, get_logger_provider

from otel_fe import autopilot_event, faults, semconv
from otel_fe.autopilot import redis_pools, sqlalchemy_pools
from otel_fe.autopilot.cache_proposal import cache_proposal
from otel_fe.autopilot.controller import Controller, Proposal, unsized
from otel_fe.autopilot.evidence import EndedExtraction, Evidence
from otel_fe.autopilot.pool_proposal import pool_proposal
from otel_fe.autopilot.redis_pools import RedisPool
from otel_fe.autopilot.resource import CannotResizeError, NotResizable
from otel_fe.autopilot.sqlalchemy_pools import SqlalchemyPool
from otel_fe.autopilot.step import REFUSED, REVERTED
from otel_fe.config.autopilot import ACT, CACHES, POOLS, limits_of
from otel_fe.forecast.traffic import Traffic
from otel_fe.instrument.background import Background
from otel_fe.instrument.engines import CLOCK
from otel_fe.instrument.libraries.connections import WATCHING
from otel_fe.instrument.libraries.pool_state import is_sqlalchemy_pool, state_of
from otel_fe.instrument.libraries.pool_use import POOLS as WATCHED
from otel_fe.instrument.libraries.pool_use import PoolUseTotals
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.metrics import CallbackOptions, MeterProvider

    from otel_fe.autopilot.resource import ResizableResource
    from otel_fe.autopilot.step import ResizeStep
    from otel_fe.clock import Clock
    from otel_fe.config.settings import Settings
    from otel_fe.instrument.sampled_caches import SampledCaches

_log = logging.getLogger("otel_fe")
_MOST_WAITING: Final = 20_000
_TOLD: Final = 32
"""Steps that the gauge reports: the last ones."""


class PoolResources:
    """The pools of this process as resources, with their requests in the window.

    Args:
        window_ns: Of a measurement.
    """

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._begun: dict[str, PoolUseTotals] = {}
        self._asked: dict[str, tuple[int, int]] = {}
        """Requests so far, and failed ones, as they were last read."""

    def requests(self) -> dict[str, tuple[int, int]]:
        """Return the requests of each pool since the last call, and how many of them failed."""
        now = {name: (use.answered + use.failures, use.failures) for name, use in WATCHED.uses().items()}
        before, self._asked = self._asked, now
        return {
            name: (total - before[name][0], bad - before[name][1])
            for name, (total, bad) in now.items()
            if name in before
        }

    def begin(self) -> None:
        """Start a window."""
        for use in WATCHED.uses().values():
            use.restart()
        self._begun = {name: use.tally() for name, use in WATCHED.uses().items()}

    def resources(self) -> list[ResizableResource]:
        """Return the pools with a unique name; of a pool that `dispose()` replaced, the new one."""
        by_name: dict[str, list[Any]] = {}
        for pool in WATCHED.watched():
            try:
                state = state_of(pool)
            except Exception as fault:  # noqa: BLE001 a pool that is being taken apart
                faults.record("autopilot.state", fault)
                continue
            if state.in_use or state.idle:
                by_name.setdefault(state.name, []).append(pool)
        return [_resource(name, pools) for name, pools in by_name.items()]

    def proposals(self, before: Evidence) -> list[Proposal]:
        """Return the proposed resizes."""
        found = []
        for resource in self.resources():
            use = WATCHED.uses().get(resource.name)
            if use is None:
                continue
            try:
                size = resource.size()
            except CannotResizeError:
                found.append(unsized(resource))
                continue
            now, earlier = use.tally(), self._begun.get(resource.name, PoolUseTotals())
            gaps, queued, used = (getattr(now, k).since(getattr(earlier, k)) for k in ("gaps", "queued", "used"))
            if not gaps.total_ns:
                continue
            traffic = Traffic(
                size, 1 / gaps.mean_s, used.mean_s, queued.mean_s, gaps.variability, used.variability, use.peak
            )
            proposal = pool_proposal(resource, traffic, queued.count, before, self._window_ns)
            if proposal is not None:
                found.append(proposal)
        return found


def _resource(name: str, pools: list[Any]) -> ResizableResource:
    if len(pools) > 1:
        why = f"{len(pools)} pools go by the name of {name}: what each does is not known. Give them a pool_logging_name each."
        return NotResizable(name, POOLS, why)
    return SqlalchemyPool(name, pools[0]) if is_sqlalchemy_pool(pools[0]) else RedisPool(name, pools[0])


class Autopilot:
    """Sizes pools and caches while it is switched on, and restores every size at its end.

    Args:
        settings: Kinds, bounds, mode and window.
        runtime: Of extractions; their ends are measured by its `derive`.
        caches: Look-ups of the caches that are named.
        clock: For windows, and for the times of steps.
    """

    def __init__(self, settings: Settings, runtime: Any, caches: SampledCaches | None, clock: Clock = CLOCK) -> None:
        self._kinds = frozenset(settings.autopilot.split(","))
        self._settings = settings
        self._runtime = runtime
        self._caches = caches
        self._clock = clock
        self._waiting: deque[EndedExtraction] = deque(maxlen=_MOST_WAITING)
        self._steps: deque[ResizeStep] = deque(maxlen=_TOLD)
        self._pools = PoolResources(round(settings.autopilot_window_s * 1e9))
        self._process = os.getpid()
        self._controller = self._made()
        self._background = Background((("autopilot", self.tick),))
        self._ended = False

    @classmethod
    def begin(
        cls, settings: Settings, runtime: Any, caches: SampledCaches | None, meters: MeterProvider | None
    ) -> Autopilot:
        """Switch the autopilot on."""
        made = cls(settings, runtime, caches)
        made.attach()
        if meters is not None:
            meter = meters.get_meter(semconv.SCOPE_NAME, __version__)
            meter.create_observable_gauge(autopilot_event.STEP, [made.observe_steps], unit="1")
            if caches is not None:
                meter.create_observable_gauge(autopilot_event.CACHE_MAX_SIZE, [made.observe_caches], unit="{entry}")
        made._background.start()
        return made

    def attach(self) -> None:
        """Measure every extraction that ends from now on."""
        if POOLS in self._kinds:
            WATCHING.begin()
        original, waiting = type(self._runtime).derive, self._waiting
        runtime, bad_from_ns = self._runtime, round(self._settings.slow_threshold_s * 1e9)

        def derive(extraction: Any, span: Any, end_ns: int) -> None:
            original(runtime, extraction, span, end_ns)
            try:
                took = extraction.duration_ns
                failed = bool(extraction.error_type)
                wait_ns = extraction.pool_wait_so_far_ns
                waiting.append(
                    EndedExtraction(
                        extraction.start_mono_ns + took, took, wait_ns, failed or took >= bad_from_ns, failed
                    )
                )
            except Exception as fault:
                faults.record("autopilot.measure", fault)

        vars(runtime)["derive"] = derive

    def end(self) -> None:
        """Restore every size, and stop measuring. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._background.stop()
        vars(self._runtime).pop("derive", None)
        try:
            self._controller.close(self._clock.time_ns())
        except Exception as fault:
            faults.record("autopilot.close", fault)
        for restore_all in (sqlalchemy_pools.restore_all, redis_pools.restore_all):
            restore_all()
        if POOLS in self._kinds:
            WATCHING.end()

    def tick(self) -> None:
        """Take the next step if one is due; called once a second."""
        if os.getpid() != self._process:  # a forked child: its extractions and its pools are its own
            self._process = os.getpid()
            before, self._controller = self._controller, self._made()
            self._waiting.clear()
            self._steps.clear()
            with suppress(CannotResizeError):
                before.undo()
        self._controller.tick(self._clock.monotonic_ns(), self._clock.time_ns())

    # --- the controller's inputs --------------------------------------------------------------------------------------

    def resources(self) -> Sequence[ResizableResource]:
        """Return everything that may be resized."""
        found: list[ResizableResource] = self._pools.resources() if POOLS in self._kinds else []
        if self._caches is not None and CACHES in self._kinds:
            found += self._caches.resources()
        return found

    def advise(self, before: Evidence) -> list[Proposal]:
        """Return the proposed resizes."""
        found = self._pools.proposals(before) if POOLS in self._kinds else []
        if self._caches is not None and CACHES in self._kinds:
            for resource in self._caches.resources():
                try:
                    proposal = cache_proposal(resource, self._caches.curve(resource.name))
                except CannotResizeError:
                    proposal = unsized(resource)
                if proposal is not None:
                    found.append(proposal)
        return found

    def begin_window(self) -> None:
        """Begin a window of measurements."""
        self._pools.begin()

    def measure(self) -> Evidence:
        """Return the extractions that ended since the last tick."""
        found = Evidence()
        waiting = self._waiting
        while waiting:
            found.count(waiting.popleft())
        if POOLS in self._kinds:
            found.requests = self._pools.requests()
        if self._caches is not None:
            found.lookups = self._caches.ticks(self._clock.monotonic_ns())
        return found

    # --- reports --------------------------------------------------------------------------------------------------------

    def report(self, step: ResizeStep) -> None:
        """Report a step: in the log, as a log event, and by the gauge."""
        self._steps.append(step)
        level = logging.WARNING if step.outcome in (REVERTED, REFUSED) else logging.INFO
        _log.log(level, "otel_fe: %s", step)
        number = SeverityNumber.WARN if level == logging.WARNING else SeverityNumber.INFO
        get_logger_provider().get_logger(semconv.SCOPE_NAME, __version__).emit(
            timestamp=step.time_ns,
            severity_number=number,
            severity_text=number.name,
            body=str(step),
            attributes=attributes_of(step),
            event_name=autopilot_event.EVENT,
        )

    def observe_steps(self, _options: CallbackOptions) -> Iterable[Any]:
        """Yield the last steps, for the gauge by which a store marks them; once more after the end, for the last of them."""
        from opentelemetry.metrics import Observation  # noqa: PLC0415 imported already

        found = [Observation(step.after, attributes_of(step)) for step in list(self._steps)]
        if self._ended:
            self._steps.clear()
        return found

    def observe_caches(self, _options: CallbackOptions) -> Iterable[Any]:
        """Yield the sizes of the caches."""
        from opentelemetry.metrics import Observation  # noqa: PLC0415 imported already

        found = []
        for resource in self._caches.resources() if self._caches is not None and not self._ended else ():
            try:
                found.append(Observation(resource.size(), {autopilot_event.CACHE_NAME: resource.name}))
            except CannotResizeError:
                continue
        return found

    def _made(self) -> Controller:
        settings = self._settings
        return Controller(
            _AsAdviser(self),
            self.measure,
            self.report,
            limits_of(settings.autopilot_limits),
            settings.autopilot_mode == ACT,
            round(settings.autopilot_window_s * 1e9),
        )


class _AsAdviser:
    """The controller's view of the autopilot."""

    def __init__(self, autopilot: Autopilot) -> None:
        self._autopilot = autopilot
        self.advise = autopilot.advise
        self.resources = autopilot.resources

    def begin(self) -> None:
        """Begin a window of measurements."""
        self._autopilot.begin_window()


def attributes_of(step: ResizeStep) -> dict[str, Any]:
    """Return the attributes of a step; what is not known is absent."""
    told = {
        autopilot_event.RESOURCE: step.resource,
        autopilot_event.FROM: step.before,
        autopilot_event.TO: step.after,
        autopilot_event.OUTCOME: step.outcome,
        autopilot_event.REASON: step.reason,
        autopilot_event.PREDICTED: step.predicted,
        autopilot_event.MEASURED: step.measured,
        autopilot_event.LOW: step.low,
        autopilot_event.HIGH: step.high,
        autopilot_event.UNIT: step.unit,
        autopilot_event.TIME: step.time_ns / 1e9,
    }
    return {name: value for name, value in told.items() if value is not None}
