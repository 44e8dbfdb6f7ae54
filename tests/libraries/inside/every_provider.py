"""A pytest plugin: every tracer provider that is made has lean tracers and a pipeline, as in an instrumented process."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from otel_fe.config.settings import Settings
from otel_fe.instrument.process import ProcessPipeline

_make = TracerProvider.__init__


def _made(self, *args, **kwargs):
    _make(self, *args, **kwargs)
    self.pipeline = ProcessPipeline(Settings(baseline_ratio=1.0), self, None)
    self.pipeline.install()


TracerProvider.__init__ = _made
