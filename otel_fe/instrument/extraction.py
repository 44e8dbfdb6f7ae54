"""One running feature extraction: from the call to its span, its attributes and its metrics.

What the figures mean:

* duration: by the monotonic clock, from the call to its return; of a generator, to its exhaustion or close.
* `cpu.time`: CPU time of the threads that ran the extraction's own code, and of nothing else. A synchronous call is
  measured on its thread. A coroutine or generator that is a target or decorated is measured step by step, so
  that other tasks of the event loop do not count. A `with` block inside a running event loop may give way to other
  tasks without our knowing; there the attribute is absent rather than wrong. Work handed to other threads,
  processes or native thread pools is not in it.
* `memory.usage`, `memory.growth`: resident memory of the whole process; concurrent extractions see each other's.
* cache and pool: what was looked up and waited for while this extraction was the innermost one of the OpenTelemetry
  context, in any thread or task that the context was carried to. An extraction inside another keeps its own.
"""

from __future__ import annotations

import asyncio
from _thread import RLock
from dataclasses import dataclass, field
from time import perf_counter_ns, thread_time_ns, time_ns
from typing import TYPE_CHECKING, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_fe import semconv
from otel_fe.instrument import faults, resources
from otel_fe.instrument.exceptions import error_type_of, record_exception
from otel_fe.instrument.lean_span import LeanSpan
from otel_fe.instrument.runtime import current_runtime
from otel_fe.model.figures import CAUSE_CACHE_HIT, CAUSE_CACHE_MISS, CAUSE_POOL, Figures

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.trace import Span

    from otel_fe.instrument.runtime import Runtime

_EXTRACTION_KEY: Final = otel_context.create_key("otel_fe-extraction")
_MAX_INTERVALS: Final = 256
"""Look-ups and waits of one extraction that attribution can place in time; later ones still count in the sums."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of an extraction before it is called."""

    feature_set: str = ""
    """Empty for an extraction without one."""
    library: str = ""
    """The library that computes the features, where known."""
    function: str = ""
    """Qualified name of the function, as `code.function.name`; empty for a block."""
    batch_size: int | None = None
    """Entities per call, where known."""
    features: int | None = None
    """Features per entity, where known."""
    span_name: str = field(init=False)
    """Name of the span."""

    def __post_init__(self) -> None:
        name = f"{semconv.SPAN_NAME} {self.feature_set}" if self.feature_set else semconv.SPAN_NAME
        object.__setattr__(self, "span_name", name)


class Extraction(Figures):
    """A feature extraction that is running, or has ended.

    Methods may be called from any thread that works for the extraction. None of them raises, and after the end
    none of them has an effect.
    """

    span: Span
    """The extraction's span; not recording where the SDK is off or a head sampler said no."""
    intervals: list[tuple[str, int, int]]
    """Cause, start and end (monotonic ns) of each look-up and wait."""

    batch_size: int | None = None
    features: int | None = None
    pool_name: str = ""
    pool_in_use: int | None = None
    pool_size: int | None = None
    ended: bool = False
    _longest_wait_ns: int = -1
    _token: Token[Context] | None = None

    def __init__(self, spec: Spec, runtime: Runtime) -> None:
        # Not calling the base's: this is the hot path, and it sets the same two.
        self.feature_set = spec.feature_set
        self.library = spec.library
        self.function = spec.function
        if spec.batch_size is not None:
            self.batch_size = spec.batch_size
        if spec.features is not None:
            self.features = spec.features
        self._runtime = runtime
        self._generation = runtime.generation
        self._lock = RLock()
        self.intervals = []
        context = otel_context.get_current()
        self.start_ns = start_ns = time_ns()
        self.span = span = runtime.tracer.start_span(
            spec.span_name, context, SpanKind.INTERNAL, start_time=start_ns
        )
        self._token = otel_context.attach(Context({**context, _SPAN_KEY: span, _EXTRACTION_KEY: self}))
        self.cpu_ns = 0
        self.start_mono_ns = now = perf_counter_ns()
        self.rss_start = resources.rss_bytes(now)
        self._cpu_start = thread_time_ns()

    # --- for applications --------------------------------------------------------------------------------------

    def cache_hit(self, count: int = 1) -> None:
        """Count `count` look-ups that were found in a cache that otel_fe does not know."""
        self.looked_up(count, 0, 0, 0)

    def cache_miss(self, count: int = 1) -> None:
        """Count `count` look-ups that were not found."""
        self.looked_up(0, count, 0, 0)

    def fail(self, error: BaseException) -> None:
        """Mark the extraction as failed by `error`, for an error that does not leave it as an exception."""
        try:
            if not self.ended:
                self._record_error(error)
        except Exception as fault:
            faults.record("extraction.fail", fault)

    # --- for the hooks of libraries --------------------------------------------------------------------------------

    def looked_up(self, hits: int, misses: int, start_ns: int, end_ns: int) -> None:
        """Count look-ups in a cache and the time they took (monotonic ns, without any wait for a pool)."""
        with self._lock:
            self.cache_hits += hits
            self.cache_lookups += hits + misses
            if end_ns > start_ns:
                self.cache_ns += end_ns - start_ns
                if len(self.intervals) < _MAX_INTERVALS:
                    self.intervals.append((CAUSE_CACHE_MISS if misses else CAUSE_CACHE_HIT, start_ns, end_ns))

    def waited(self, pool: str, start_ns: int, end_ns: int, in_use: int | None, size: int | None) -> None:
        """Count one wait for a connection of `pool` (monotonic ns), with the pool's state after it."""
        elapsed = end_ns - start_ns
        with self._lock:
            self.pool_waits += 1
            self.pool_wait_ns += elapsed
            if elapsed > self._longest_wait_ns:
                self._longest_wait_ns = elapsed
                self.pool_name = pool
                self.pool_in_use = in_use
                self.pool_size = size
            if len(self.intervals) < _MAX_INTERVALS:
                self.intervals.append((CAUSE_POOL, start_ns, end_ns))

    # --- for wrappers ------------------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Leave the extraction's context and stop its CPU clock, until `resume`; for the steps of a generator."""
        try:
            self._stop_cpu()
            self._detach()
        except Exception as fault:
            faults.record("extraction.suspend", fault)

    def resume(self) -> None:
        """Enter the extraction's context again, on this thread."""
        try:
            context = {**otel_context.get_current(), _SPAN_KEY: self.span, _EXTRACTION_KEY: self}
            self._token = otel_context.attach(Context(context))
            self._cpu_start = thread_time_ns()
        except Exception as fault:
            faults.record("extraction.resume", fault)

    def resume_if_suspended(self) -> None:
        """Enter the context again unless the extraction is in it, or over."""
        if self._token is None and not self.ended:
            self.resume()

    def pause_cpu(self) -> None:
        """Stop the CPU clock, but stay in the context; for a coroutine that gives way to its event loop."""
        self._stop_cpu()

    def resume_cpu(self) -> None:
        """Start the CPU clock again."""
        self._cpu_start = thread_time_ns()

    def forget_cpu(self) -> None:
        """Give up on CPU time: other tasks may run on this thread meanwhile."""
        self.cpu_ns = -1

    def _stop_cpu(self) -> None:
        if self.cpu_ns >= 0:
            self.cpu_ns += thread_time_ns() - self._cpu_start

    def _detach(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            otel_context.detach(token)

    def finish(self, error: BaseException | None = None) -> None:
        """End the extraction, failed by `error` if given. Never raises; a second call has no effect."""
        if self.ended:
            return
        try:
            if self._token is not None and self.cpu_ns >= 0:
                self.cpu_ns += thread_time_ns() - self._cpu_start
            self.ended = True
            if self._generation == self._runtime.generation:
                self._finish(error)
        except Exception as fault:
            faults.record("extraction.finish", fault)
        finally:
            self._close()

    def _close(self) -> None:
        """Whatever failed before, end the span and leave the context."""
        try:
            if self.span.is_recording():
                self.span.end()
            self._detach()
        except Exception as fault:
            faults.record("extraction.close", fault)

    def _finish(self, error: BaseException | None) -> None:
        now = perf_counter_ns()
        self.duration_ns = now - self.start_mono_ns
        rss = resources.rss_bytes(now)
        self.memory_growth_bytes = rss - self.rss_start
        if error is not None:
            self._record_error(error)
        runtime = self._runtime
        end_ns = self.start_ns + self.duration_ns
        breached = runtime.derive(self, end_ns)
        span = self.span
        if span.is_recording():
            attributes = self._attributes(rss)
            if breached:
                attributes[semconv.SLO_BREACHED] = breached
            if self.duration_ns >= runtime.slow_ns:
                cause, cause_ns = runtime.bottleneck(self)
                attributes[semconv.BOTTLENECK] = cause
                attributes[semconv.BOTTLENECK_TIME] = cause_ns / 1e9
            if type(span) is not LeanSpan or not span.take_over(attributes):
                span.set_attributes(attributes)  # type: ignore[arg-type]
            span.end(end_ns)

    def _record_error(self, error: BaseException) -> None:
        self.error_type = error_type_of(error)
        span = self.span
        if span.is_recording():
            record_exception(span, error, self.error_type, with_message=self._runtime.exception_messages)

    def _attributes(self, rss: int) -> dict[str, object]:
        """Return the span's attributes, in the order of the data contract; what is not known is absent."""
        duration_ns = self.duration_ns or 1
        attributes: dict[str, object] = {}
        if self.feature_set:
            attributes[semconv.FEATURE_SET] = self.feature_set
        if self.library:
            attributes[semconv.LIBRARY] = self.library
        if self.function:
            attributes[semconv.CODE_FUNCTION_NAME] = self.function
        if self.batch_size is not None:
            attributes[semconv.BATCH_SIZE] = self.batch_size
        if self.features is not None:
            attributes[semconv.FEATURES] = self.features
        if self.cache_lookups:
            attributes[semconv.CACHE_HIT] = self.cache_hits == self.cache_lookups
            attributes[semconv.CACHE_LOOKUPS] = self.cache_lookups
            attributes[semconv.CACHE_HITS] = self.cache_hits
            attributes[semconv.CACHE_TIME] = self.cache_ns / 1e9
        if self.pool_waits:
            attributes[semconv.POOL_WAIT_TIME] = self.pool_wait_ns / 1e9
            attributes[semconv.POOL_NAME] = self.pool_name
            if self.pool_in_use is not None:
                attributes[semconv.POOL_IN_USE] = self.pool_in_use
            if self.pool_size is not None:
                attributes[semconv.POOL_SIZE] = self.pool_size
        if self.cpu_ns >= 0:
            attributes[semconv.CPU_TIME] = self.cpu_ns / 1e9
            attributes[semconv.CPU_UTILIZATION] = self.cpu_ns / duration_ns
        attributes[semconv.MEMORY_USAGE] = rss
        attributes[semconv.MEMORY_GROWTH] = self.memory_growth_bytes
        if self.error_type:
            attributes[semconv.ERROR_TYPE] = self.error_type
        gpu = resources.gpu()
        if gpu is not None:
            attributes[semconv.GPU_UTILIZATION] = gpu.utilization
            attributes[semconv.GPU_MEMORY_USAGE] = gpu.memory_bytes
        return attributes


def begin(spec: Spec) -> Extraction | None:
    """Start an extraction and make it the current one; None where otel_fe is not instrumented, or failed to start it.

    Never raises. The caller owns the result and calls `finish` on it, in the same context.
    """
    runtime = current_runtime()
    if runtime is None:
        return None
    try:
        return Extraction(spec, runtime)
    except Exception as fault:
        faults.record("extraction.begin", fault)
        return None


def begin_block(spec: Spec) -> Extraction | None:
    """Start the extraction of a `with` block; without CPU time where the block may share its thread with other tasks."""
    running = begin(spec)
    if running is not None and asyncio._get_running_loop() is not None:
        running.forget_cpu()
    return running


def current_extraction() -> Extraction | None:
    """Return the innermost extraction that is running in this context, or None."""
    running = otel_context.get_current().get(_EXTRACTION_KEY)
    return running if isinstance(running, Extraction) and not running.ended else None
