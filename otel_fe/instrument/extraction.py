"""One running feature extraction: from the call to its span, its attributes and its metrics.

What the figures mean:

* duration: by the monotonic clock, from the call to its return; of a generator, to its exhaustion or close.
* `cpu.time`: CPU time of the threads that ran the extraction's own code, and of nothing else. A synchronous call is
  measured on its thread. A coroutine or generator that is a target or decorated is measured step by step, so
  that other tasks of the event loop do not count. A `with` block inside a running event loop may yield to other
  tasks without our noticing, and so may any code in greenlets (gevent, eventlet); there the attribute is absent
  rather than wrong. Work that it hands to threads and executors of the process is in it, as far as that ends before it does; work
  in other processes and in native thread pools is not.
* `memory.usage`, `memory.growth`: resident memory of the whole process; concurrent extractions see each other's.
* cache and pool: what was looked up and waited for while this extraction was the innermost one of the OpenTelemetry
  context, in any thread or task that the context was carried to. An extraction inside another keeps its own.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from _thread import get_ident
from _weakref import ref
from time import perf_counter_ns, thread_time_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode

from otel_fe import faults, semconv
from otel_fe.instrument import resources, runtime
from otel_fe.instrument.greenlets import share_this_thread
from otel_fe.instrument.inert import inert
from otel_fe.instrument.live_measurements import LiveMeasurements
from otel_fe.instrument.watch import registry
from otel_fe.sdk.context import SPAN_KEY, get_context, reset_context, set_context
from otel_fe.sdk.exceptions import error_type_of, record_exception
from otel_fe.sdk.plain_values import whole
from otel_fe.sdk.span import LeanSpan

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.trace import Span

    from otel_fe.instrument.inert import InertExtraction
    from otel_fe.instrument.runtime import Runtime
    from otel_fe.instrument.spec import Spec
    from otel_fe.instrument.watch.finding import Finding
    from otel_fe.model.measurements import Measurements

_log = logging.getLogger("otel_fe")

_INTERNAL: Final = SpanKind.INTERNAL
"""Looked up once: an enumeration's member costs a call in Python 3.11."""
_EXTRACTION_KEY: Final = otel_context.create_key("otel_fe-extraction")
_FRESH_FROM_NS: Final = 1_000_000
"""Extractions of this duration or longer read resident memory afresh."""


class Extraction(LiveMeasurements):
    """A feature extraction that is running, or has ended.

    Methods may be called from any thread that works for the extraction. None of them raises, and after the end
    none of them has an effect.
    """

    _given: Measurements | None = None
    _memory_given: bool = False
    _span: Span | None = None
    _token: Token[Context] | None = None
    until: Any = None
    """A weak reference to what its call returned, if it lasts until that has ended."""
    away: bool = False
    """Whether it is suspended: a coroutine that awaits, a generator between two steps."""
    _coroutine: ref[Any] | None = None
    """Weak, as the next two: the application may drop a coroutine that waits, and must find it gone."""
    _awaited: ref[Any] | None = None
    _task: ref[Any] | None = None

    @property
    def span(self) -> Span:
        """The extraction's span; not recording where the SDK is off, a head sampler said no, or it has ended."""
        return INVALID_SPAN if self._span is None else self._span

    def __init__(self, spec: Spec, current: Runtime) -> None:
        self.spec = spec
        self.feature_set = spec.feature_set
        self.library = spec.library
        self._runtime = current
        self._generation = current.generation
        self.lookups = []
        self.waits = []
        context = get_context()
        # Both clocks at one moment, or a child could end after its parent.
        self.start_ns = start_ns = time_ns()
        self.start_mono_ns = now = perf_counter_ns()
        self.rss_start = resources.rss_bytes(now)
        self._span = span = current.tracer.start_span(spec.span_name, context, _INTERNAL, start_time=start_ns)
        self.cpu_ns = -1 if share_this_thread() else 0
        # Last: if anything before it fails, no context has been entered that would not be left.
        self._token = set_context(Context({**context, SPAN_KEY: span, _EXTRACTION_KEY: self}))
        self.thread_id = get_ident()
        self.cpu_start_ns = thread_time_ns()
        opened = registry.opened
        if opened is not None:
            opened[id(self)] = self
            if registry.asleep:
                registry.wake()

    # --- for applications --------------------------------------------------------------------------------------

    def cache_hit(self, count: int = 1) -> None:
        """Count `count` look-ups that were found in a cache that otel_fe does not know."""
        self._count_given(count, hit=True)

    def cache_miss(self, count: int = 1) -> None:
        """Count `count` look-ups that were not found."""
        self._count_given(count, hit=False)

    def _count_given(self, count: Any, *, hit: bool) -> None:
        number = whole(count)
        if number is None or number < 0:
            _warn_of_count(f"{type(count).__name__} {count!r}"[:80])
        else:
            self.looked_up(*((number, 0) if hit else (0, number)), 0, 0)

    def fail(self, error: BaseException) -> None:
        """Mark the extraction as failed by `error`, for an error that does not leave it as an exception."""
        try:
            if not self.ended:
                self._record_error(error)
        except Exception as fault:
            faults.record("extraction.fail", fault)

    def __copy__(self) -> Extraction:
        return self  # something that runs has no copy; an object that holds it, as `self.extraction`, can have

    def __deepcopy__(self, _memo: dict[int, Any]) -> Extraction:
        return self

    def __reduce__(self) -> tuple[Callable[[], InertExtraction], tuple[()]]:
        return inert, ()  # it does not run where it is unpickled

    # --- for the watcher ---------------------------------------------------------------------------------------

    @property
    def coroutine(self) -> Any:
        """The coroutine or generator that it consists of; None for a function and a block."""
        return None if self._coroutine is None else self._coroutine()

    @property
    def awaited(self) -> Any:
        """The last awaitable that its coroutine gave to the event loop."""
        return None if self._awaited is None else self._awaited()

    @property
    def task(self) -> Any:
        """The task of a block in an event loop; None for all else."""
        return None if self._task is None else self._task()

    # --- for wrappers ------------------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Leave the extraction's context and stop its CPU clock, until `resume`; for the steps of a generator."""
        try:
            self._detach()
            self._stop_cpu()
            self.away = True
        except Exception as fault:
            faults.record("extraction.suspend", fault)

    def resume(self) -> None:
        """Enter the extraction's context again, on this thread."""
        try:
            context = {**get_context(), SPAN_KEY: self._span, _EXTRACTION_KEY: self}
            self._token = set_context(Context(context))
            self._enter_thread()
        except Exception as fault:
            faults.record("extraction.resume", fault)

    def resume_if_suspended(self) -> None:
        """Enter the context again unless the extraction is in it, or over."""
        if self._token is None and not self.ended:
            self.resume()

    def follow(self, coroutine: Any) -> None:
        """Remember what it consists of, weakly, so that the watcher can see where it waits."""
        try:
            self._coroutine = ref(coroutine)
        except TypeError:  # compiled by something that has no weak references
            self._coroutine = None

    def follow_task(self, loop: Any) -> None:
        """Remember the task that a block of an event loop is in, weakly."""
        task = asyncio.current_task(loop)
        try:
            self._task = None if task is None else ref(task)
        except TypeError:  # a task of the application's own making
            self._task = None

    def pause_cpu(self, awaited: Any = None) -> None:
        """Stop the CPU clock, but stay in the context: a coroutine yields to its event loop to wait for `awaited`."""
        self._stop_cpu()
        try:
            self._awaited = None if awaited is None else ref(awaited)
        except TypeError:
            self._awaited = None
        self.away = True

    def resume_cpu(self) -> None:
        """Start the CPU clock again."""
        self._enter_thread()

    def _enter_thread(self) -> None:
        self.thread_id = get_ident()
        self.away = False
        self.cpu_start_ns = thread_time_ns()

    def forget_cpu(self) -> None:
        """Stop measuring CPU time: other tasks may run on this thread meanwhile."""
        self.cpu_ns = -1

    def _stop_cpu(self) -> None:
        if self.cpu_ns >= 0:
            self.cpu_ns += thread_time_ns() - self.cpu_start_ns

    def _detach(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            try:
                reset_context(token)
            except ValueError:
                # Entered in another context, as a block in a generator whose steps a server runs in one each. That
                # context is gone; and its thread's CPU clock, if it was another thread's, says nothing here.
                self.forget_cpu()

    def finish(self, error: BaseException | None = None) -> None:
        """End the extraction, failed by `error` if given. Never raises; a second call has no effect."""
        if self.ended:
            return
        opened = registry.opened
        if opened is not None:
            opened.pop(id(self), None)
        try:
            token = self._token
            if token is not None:
                if self.cpu_ns >= 0:
                    self.cpu_ns += thread_time_ns() - self.cpu_start_ns
                self._token = None
                try:
                    reset_context(token)
                except ValueError:
                    self.forget_cpu()  # see `_detach`
            self.ended = True
            if self.handed_cpu_ns and self.cpu_ns >= 0:
                self.cpu_ns += self.handed_cpu_ns
            if self._generation == self._runtime.generation:
                self._finish(error)
        except Exception as fault:
            faults.record("extraction.finish", fault)
        self.ended = True
        if self._span is not None:
            self._abandon()

    def finish_as(self, given: Measurements, *, memory_given: bool) -> None:
        """End the extraction with figures that its caller knows better than we do.

        Args:
            given: Its duration and error win; its look-ups and CPU time where it has any.
            memory_given: Whether its memory wins too; it is then the operation's memory and its growth.
        """
        if self.ended:
            return
        if given.cache_lookups:
            self.lookups.append((given.cache_hits, given.cache_lookups - given.cache_hits, 0, 0))
        self._given = given
        self._memory_given = memory_given
        self.finish()

    def abandon(self) -> None:
        """End the span of an abandoned extraction; it is not counted. Never raises."""
        self.ended = True
        opened = registry.opened
        if opened is not None:
            opened.pop(id(self), None)
        self._abandon()

    def _take_given(self, given: Measurements) -> None:
        self.duration_ns = given.duration_ns
        if given.error_type:
            self.error_type = given.error_type
            if self._span is not None:
                self._span.set_status(StatusCode.ERROR, given.error_type)
        if given.cpu_ns >= 0:
            self.cpu_ns = given.cpu_ns
        if self._memory_given:
            self.rss_bytes = self.memory_growth_bytes = given.memory_growth_bytes

    def _abandon(self) -> None:
        """End the span after a fault, or in a forked child, with whatever it has."""
        try:
            span, self._span = self._span, None
            if span is not None and span.is_recording():
                span.end()
        except Exception as fault:
            faults.record("extraction.abandon", fault)

    def _finish(self, error: BaseException | None) -> None:
        now = perf_counter_ns()
        self.duration_ns = duration_ns = now - self.start_mono_ns
        grain_ns = resources.GRAIN_NS if duration_ns < _FRESH_FROM_NS else 0
        self.rss_bytes = rss = resources.rss_bytes(now, grain_ns)
        self.memory_growth_bytes = rss - self.rss_start
        if error is not None:
            self._record_error(error)
        if self._given is not None:
            self._take_given(self._given)
            duration_ns = self.duration_ns
        end_ns = self.start_ns + duration_ns
        span = self._span
        self._runtime.derive(self, span, end_ns)
        self._span = None  # not before: after a fault up to here, `_abandon` ends it
        if self.found is not None and span is not None:
            self._tell_stacks(self.found, span)
        if type(span) is LeanSpan:
            # The attributes are fixed from here on; if the span is dropped, they are never computed.
            span.filled_in = self.attributes
            span.end(end_ns)
        elif span is not None and span.is_recording():
            span.set_attributes(self.attributes())
            span.end(end_ns)

    def _tell_stacks(self, found: Finding, span: Span) -> None:
        """Put the samples of a slow extraction on its span, and release them."""
        self.found = None
        self.hotspot = found.hotspot()
        if found.places and span.is_recording():
            span.add_event(semconv.STACKS_EVENT, found.attributes(), self.start_ns + found.seen_after_ns)

    def _record_error(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            # Cancelled, closed, interrupted or exiting: its caller ended it. No error, as in the API's `use_span`.
            self.cancelled = True
            return
        self.error_type = error_type_of(error)
        span = self._span
        if span is not None and span.is_recording():
            record_exception(span, error, self.error_type, with_message=self._runtime.exception_messages)


@functools.lru_cache(maxsize=64)
def _warn_of_count(given: str) -> None:
    """Log once which attributes were left out."""
    _log.warning("otel_fe: cache_hit() and cache_miss() count whole numbers of at least 0; %s is left out", given)


def begin(spec: Spec) -> Extraction | None:
    """Start an extraction and make it the current one.

    None where otel_fe is not instrumented, where it failed to start it, and where the call is part of one already.

    Never raises. The caller owns the result and calls `finish` on it, in the same context.
    """
    current = runtime.current
    if current is None:
        return None
    try:
        if spec.outermost and (around := current_extraction()) is not None and around.spec is spec:
            return None
        return Extraction(spec, current)
    except Exception as fault:
        faults.record("extraction.begin", fault)
        return None


def begin_block(spec: Spec) -> Extraction | None:
    """Start the extraction of a `with` block; without CPU time where the block may share its thread with other tasks."""
    running = begin(spec)
    loop = asyncio._get_running_loop()
    if running is not None and loop is not None:
        running.forget_cpu()
        running.follow_task(loop)
    return running


def current_extraction() -> Extraction | None:
    """Return the innermost extraction that is running in this context, or None."""
    running: Any = get_context().get(_EXTRACTION_KEY)  # only an extraction is ever stored under it
    if running is None or running.ended:
        return None
    found: Extraction = running
    return found
