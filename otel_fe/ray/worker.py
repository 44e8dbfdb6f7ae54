"""Instruments every process of a Ray cluster that runs a job's code, by one line of its runtime environment."""

from __future__ import annotations

import logging
import os
from typing import Any, Final

from opentelemetry.sdk.environment_variables import OTEL_BSP_SCHEDULE_DELAY

from otel_fe import faults
from otel_fe.instrument import runtime
from otel_fe.instrument.background import Background
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.launcher import configure, switched_off
from otel_fe.ray.client import Client
from otel_fe.ray.published import Published
from otel_fe.ray.ray_import import ray_module
from otel_fe.ray.requests_seen import RequestsSeen
from otel_fe.ray.runtime import RayOutbox, WorkerRuntime
from otel_fe.ray.serve import Serving
from otel_fe.ray.tasks import patches
from otel_fe.sdk.providers import sdk_disabled

_log = logging.getLogger("otel_fe")

HOOK: Final = "worker_process_setup_hook"
_SCHEDULE_DELAY_MS: Final = "1000"
SETUP: Final = "otel_fe.ray_integration.setup_worker"


class RayWorker:
    """The additional instrumentation of a Ray process."""

    def __init__(self) -> None:
        self._outbox = RayOutbox()
        self._seen = RequestsSeen()
        self._serving = Serving(self._seen, self.flush)
        self._client = Client()
        self._hooks = ImportHooks()
        self._patches = patches()
        self._published: Published | None = None
        self._background = Background((("ray.publish", self.publish),))

    def install(self) -> None:
        """Carry contexts, know requests, publish what ends."""
        if runtime.current is not None:
            joined: Any = WorkerRuntime(runtime.current, self._outbox)  # its generation is the inner one's, a property
            runtime.set_runtime(joined)
        for patch in self._patches:
            patch.apply()
        self._client.instrument(self._hooks)
        self._serving.instrument(self._hooks)
        self._hooks.install()
        self._background.start()

    def remove(self) -> None:
        """Put everything back."""
        self._background.stop()
        self._hooks.remove()
        self._serving.uninstrument()
        self._client.uninstrument()
        for patch in self._patches:
            patch.remove()
        if isinstance(runtime.current, WorkerRuntime):
            runtime.set_runtime(runtime.current.inner)

    def publish(self) -> None:
        """Hand what has ended to Ray's metrics; in processes where nothing ends there are none."""
        ended, requests = self._outbox.take(), self._seen.take()
        if not ended and not requests:
            return
        if self._published is None:
            self._published = Published()
        for one in ended:
            self._published.extraction(one.figures, one.application, one.deployment)
        self._published.requests(requests)
        lost, self._outbox.lost = self._outbox.lost, 0
        self._published.lost(lost)

    def flush(self) -> None:
        """Hand over and export what is finished."""
        self.publish()
        pipeline: Any = runtime.current.inner if isinstance(runtime.current, WorkerRuntime) else None
        if pipeline is not None:
            pipeline.flush_all()


_worker: RayWorker | None = None


def setup_worker() -> None:
    """Instrument this process as `opentelemetry-instrument` would, and join it to Ray.

    For `ray.init(runtime_env={"worker_process_setup_hook": "otel_fe.ray_integration.setup_worker"})`: Ray then calls it in
    every process of the job, those of Serve (controller, proxies, replicas) included. Ray may end them by force: unless
    `OTEL_BSP_SCHEDULE_DELAY` is set, spans wait for a second rather than five. Never raises, since that would end the
    process.
    """
    try:
        if not sdk_disabled() and not switched_off():
            _launch()
            join()
    except Exception as fault:
        faults.record("ray.setup_worker", fault)


def join() -> None:
    """Join an instrumented process to Ray, once: a driver as well as a worker."""
    global _worker  # noqa: PLW0603 one per process
    if _worker is None:
        _worker = RayWorker()
        _worker.install()


def leave() -> None:
    """Undo `join`."""
    global _worker  # noqa: PLW0603
    if _worker is not None:
        _worker.remove()
        _worker = None


def _launch() -> None:
    if runtime.current is not None:
        return  # a driver under the launcher hands its PYTHONPATH on to the processes of a cluster that it starts
    os.environ.setdefault(OTEL_BSP_SCHEDULE_DELAY, _SCHEDULE_DELAY_MS)
    from opentelemetry.instrumentation import auto_instrumentation  # noqa: PLC0415 only where it was not launched

    launcher: Any = auto_instrumentation
    launcher.initialize()
    if runtime.current is None:  # otel_fe lies on the path, but is not installed
        configure()


def with_worker_setup(runtime_env: dict[str, Any] | None) -> dict[str, Any]:
    """Return a runtime environment whose processes are instrumented, and instrument this one; Ray calls it in the driver.

    For `RAY_RUNTIME_ENV_HOOK=otel_fe.ray_integration.runtime_env_hook`. A setup hook of the application's own stays: it has to
    call `setup_worker()` itself. The `OTEL_*` variables of this process go along, but none that may hold a secret
    (`…HEADERS`), and none that the environment sets itself.
    """
    environment = dict(runtime_env or {})
    try:
        join()
        if environment.setdefault(HOOK, SETUP) != SETUP:
            _log.warning("otel_fe: %s is %r: call %s from it", HOOK, environment[HOOK], SETUP)
        carried = {k: v for k, v in os.environ.items() if k.startswith("OTEL_") and "HEADERS" not in k}
        environment["env_vars"] = {**carried, **(environment.get("env_vars") or {})}
    except Exception as fault:
        faults.record("ray.runtime_env", fault)
    return environment


def connected() -> Any:
    """Return Ray, which this process must be connected to.

    Raises:
        MissingExtraError: Ray is not installed.
        RuntimeError: This process has not called `ray.init`.
    """
    ray = ray_module()
    if not ray.is_initialized():
        raise RuntimeError("this process is not connected to a Ray cluster: call ray.init() first")
    return ray
