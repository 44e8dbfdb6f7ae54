"""FeatureExtractionInstrumentor: switches everything on, and off again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_fe.config.autopilot import CACHES
from otel_fe.config.settings import Settings, read_settings
from otel_fe.errors import ConfigurationError
from otel_fe.instrument.cached import CachedTargets
from otel_fe.instrument.engines import CLOCK
from otel_fe.instrument.export_only_runtime import ExportEverything
from otel_fe.instrument.exported_load import ExportedLoad
from otel_fe.instrument.handed_work import HandedWork
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.libraries import Libraries
from otel_fe.instrument.plans import asking
from otel_fe.instrument.plans.asking import Plans
from otel_fe.instrument.process import ProcessPipeline
from otel_fe.instrument.reloading import Reloading
from otel_fe.instrument.runtime import set_runtime
from otel_fe.instrument.targets import Targets
from otel_fe.instrument.termination import Termination
from otel_fe.instrument.watch.watcher import Watcher
from otel_fe.sdk.providers import meter_provider, sdk_disabled, tracer_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry.sdk.metrics import MeterProvider

    from otel_fe.instrument.sampled_caches import SampledCaches
    from otel_fe.sdk.profile_export import ProfileExport

_log = logging.getLogger("otel_fe")


class FeatureExtractionInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Emits one span per feature extraction, and runs the pipeline in the process.

    `instrument(tracer_provider=…, meter_provider=…, settings=…)` takes the global providers and the `OTEL_FE_*`
    variables where an argument is left out. A variable that cannot be used is one line in the log, and otel_fe stays off:
    the application and all other instrumentation continue. `settings` that cannot be used raise ConfigurationError.
    `uninstrument()` puts everything back as it was.
    """

    _undo: list[Callable[[], None]]

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what we hook into is hooked when, and if, it is imported."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._undo = []
        if sdk_disabled():
            _log.info("otel_fe: off (OTEL_SDK_DISABLED)")
            return
        given: Settings | None = kwargs.get("settings")
        try:
            self._switch_on(given or read_settings(), kwargs)
        except ConfigurationError as error:
            self._uninstrument()
            if given is not None:
                raise
            # Not raised: OpenTelemetry's launcher would leave out every instrumentation that comes after this one.
            _log.error("otel_fe stays off: %s", "; ".join(str(error).splitlines()))  # noqa: TRY400 one line
        except BaseException:
            self._uninstrument()
            raise

    def _switch_on(self, settings: Settings, kwargs: dict[str, Any]) -> None:
        traces, metrics = tracer_provider(kwargs.get("tracer_provider")), meter_provider(kwargs.get("meter_provider"))
        sampled = _sampled_caches(settings)
        targets, caches = Targets(settings.targets), CachedTargets(settings.caches, sampled)
        hooks = ImportHooks()
        libraries = Libraries(settings.disabled_libraries)
        profiles = None if settings.profiles == "none" else self._export_profiles(metrics)
        pipeline: ProcessPipeline | ExportEverything
        if traces is not None and settings.pipeline == "process":
            pipeline = ProcessPipeline(settings, traces, metrics, profiles)
        else:
            pipeline = ExportEverything(settings, kwargs.get("tracer_provider"), profiles)
        pipeline.install()
        self._undo.append(pipeline.remove)
        if isinstance(pipeline, ExportEverything) and metrics is not None:
            self._undo.append(ExportedLoad.begin(metrics, pipeline.progress).end)
        termination = Termination(pipeline, settings.flush_timeout_s, on_sigterm=settings.flush_on_sigterm)
        termination.install(hooks)
        self._undo.append(termination.remove)
        if settings.watch_threshold_s:
            watcher = Watcher(settings.watch_threshold_s)
            watcher.start()
            self._undo.append(watcher.stop)
            handed = HandedWork()
            self._undo.append(handed.remove)
            handed.install(hooks)
        set_runtime(pipeline)
        self._undo.append(lambda: set_runtime(None))
        libraries.instrument(hooks)
        self._undo.append(libraries.uninstrument)
        targets.instrument(hooks)
        self._undo.append(targets.uninstrument)
        caches.instrument(hooks)
        self._undo.append(caches.uninstrument)
        reloading = Reloading(hooks)
        reloading.install()
        self._undo.append(reloading.remove)
        hooks.install()
        self._undo.append(hooks.remove)
        if settings.connection_metrics and metrics is not None:
            self._watch_pools(metrics)
        if settings.explain:
            threshold_ns = round(settings.explain_threshold_s * 1e9)
            self._undo.append(asking.begin(Plans(threshold_ns, settings.explain_per_minute, CLOCK)))
        if settings.autopilot:
            from otel_fe.instrument.autopilot import Autopilot  # noqa: PLC0415 few switch it on

            self._undo.append(Autopilot.begin(settings, pipeline, sampled, metrics).end)
        _log.info("otel_fe: %s; targets %s; caches %s; libraries %s", pipeline, targets, caches, libraries)

    def _export_profiles(self, metrics: MeterProvider | None) -> ProfileExport:
        from otel_fe.sdk.profile_export import ProfileExport  # noqa: PLC0415 few switch it on
        from otel_fe.sdk.profile_senders import connecting  # noqa: PLC0415

        found = ProfileExport(connecting(), metrics)
        self._undo.append(found.shutdown)
        return found

    def _watch_pools(self, metrics: MeterProvider) -> None:
        # Here, for they take longer to import than all the rest.
        from otel_fe.instrument.libraries.connection_metrics import ConnectionMetrics  # noqa: PLC0415
        from otel_fe.instrument.libraries.connections import WATCHING  # noqa: PLC0415

        WATCHING.begin()
        self._undo.append(WATCHING.end)
        self._undo.append(ConnectionMetrics.begin(metrics).end)

    def _uninstrument(self, **_kwargs: Any) -> None:
        while self._undo:
            self._undo.pop()()


def _sampled_caches(settings: Settings) -> SampledCaches | None:
    """Return what samples the look-ups of named caches, where the autopilot is to size them."""
    if CACHES not in settings.autopilot.split(","):
        return None
    from otel_fe.instrument.sampled_caches import SampledCaches  # noqa: PLC0415 likewise

    return SampledCaches()


__all__ = ["FeatureExtractionInstrumentor"]
