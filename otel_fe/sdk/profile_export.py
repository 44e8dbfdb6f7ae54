"""The stacks of slow extractions, sent as OTLP profiles in the background.

What is waiting is bounded in bytes, and what is lost is counted by reason. The application's threads only copy a few strings; a
thread that starts with the first slow extraction encodes and sends.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanProcessor

from otel_fe import faults, process_metrics, semconv
from otel_fe.daemons import start_daemon
from otel_fe.forks import renew_after_fork
from otel_fe.profiles.stacks import SlowExtraction, stacks_of
from otel_fe.sdk.profile_senders import FAILED, UNSUPPORTED, SendOutcome
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_fe.sdk.profile_senders import Sender

_log: Final = logging.getLogger("otel_fe")
MOST_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of the texts of waiting stacks."""
_MOST_SENT_BYTES: Final = 1024 * 1024
"""Most bytes of stacks in one request: receivers take 4 MiB by default."""
_EACH_BYTES: Final = 200
"""The size of one, without its texts."""
_DELAY_S: Final = 1.0
"""Time for which the first stack waits for others to be sent with it."""
_SHUTDOWN_S: Final = 5.0
QUEUE_FULL: Final = "queue_full"
REJECTED: Final = "rejected"
SHUTDOWN: Final = "shutdown"


class _Waiting(NamedTuple):
    """A span's stacks, as they are on it."""

    trace_id: int
    span_id: int
    start_ns: int
    end_ns: int
    feature_set: str
    folded: Sequence[str]
    resource: Resource
    size: int


class ProfileExport(SpanProcessor):
    """Sends a profile for each ended span that carries stacks.

    Thread-safe. A forked child starts over: its parent sends what was waiting.

    Args:
        connect: Returns a connection to the backend; called when there is something to send.
        meters: Counts what was sent and lost; None to count it nowhere.
        delay_s: How long the first waits for others to be sent with it.
    """

    def __init__(
        self, connect: Callable[[], Sender], meters: MeterProvider | None = None, delay_s: float = _DELAY_S
    ) -> None:
        self._connect = connect
        self._delay_s = delay_s
        self._unsupported = self._warned = False
        self._sent, self._dropped = _counters(meters)
        self._sender: Sender | None = None
        self._inherited: list[Sender] = []
        """Senders of parent processes, which a forked child neither uses nor closes."""
        self._begin()
        renew_after_fork(self._begin)

    def _begin(self) -> None:
        # Reentrant: the garbage collector may end a span on this very thread while it is held.
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None
        if self._sender is not None:
            self._inherited.append(self._sender)
            self._sender = None
        self._sending = self._hurried = self._ended = False

    # --- of the SDK -------------------------------------------------------------------------------------------------

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take the stacks of a sampled span that has any. Never raises."""
        try:
            for event in span.events:
                if event.name == semconv.STACKS_EVENT:
                    self._take(span, event)
                    return
        except Exception as fault:
            faults.record("profiles.take", fault)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is waiting; False if it took longer."""
        with self._changed:
            if self._waiting:
                self._start()
            if self._thread is None:
                return not self._waiting
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_idle, timeout_millis / 1e3)

    def shutdown(self) -> None:
        """Send what is waiting, for five seconds at most, and end; a second call has no effect."""
        if self._ended:
            return
        self.force_flush(int(_SHUTDOWN_S * 1e3))
        with self._changed:
            self._ended = True
            left, self._bytes = len(self._waiting), 0
            self._waiting.clear()
            self._changed.notify_all()
            sender = self._sender
        self._lose(SHUTDOWN, left)
        if sender is not None:
            sender.close()

    # --- taking, on the application's threads -----------------------------------------------------------------------

    def _take(self, span: Any, event: Any) -> None:
        context = span.context
        folded = event.attributes.get(semconv.STACKS_FOLDED) or ()
        if not context.trace_flags.sampled or not folded:
            return
        size = _EACH_BYTES + sum(map(len, folded))
        feature_set = str((span.attributes or {}).get(semconv.FEATURE_SET, ""))
        one = _Waiting(
            context.trace_id,
            context.span_id,
            span.start_time,
            span.end_time,
            feature_set,
            folded,
            span.resource,
            size,
        )
        with self._changed:
            lost = self._refusal(size)
            if not lost:
                self._waiting.append(one)
                self._bytes += size
                self._start()
                if len(self._waiting) == 1:
                    self._changed.notify_all()
        if lost:
            self._lose(lost, 1)

    def _refusal(self, size: int) -> str:
        if self._ended:
            return SHUTDOWN
        if self._unsupported:
            return UNSUPPORTED
        return QUEUE_FULL if self._bytes + size > MOST_BYTES else ""

    def _start(self) -> None:
        if self._thread is None:
            self._thread = start_daemon("profiles", "otel-fe-profiles", self._run)

    # --- sending, in the background ---------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        return not self._waiting and not self._sending

    def _run(self) -> None:
        with suppress_instrumentation():
            while (batch := self._next()) is not None:
                answer = SendOutcome(FAILED)
                try:
                    answer = self._send(batch)
                except Exception as fault:
                    faults.record("profiles.send", fault)
                finally:
                    self._settle(answer, len(batch))

    def _next(self) -> list[_Waiting] | None:
        """Return what is to be sent next, once there is something; None at the end."""
        with self._changed:
            self._hurried = self._hurried and bool(self._waiting)
            self._changed.wait_for(lambda: self._waiting or self._ended)
            self._changed.wait_for(lambda: self._hurried or self._ended, self._delay_s)
            if self._ended:
                return None
            batch: list[_Waiting] = []
            taken = 0
            while self._waiting and (not batch or taken + self._waiting[0].size <= _MOST_SENT_BYTES):
                batch.append(self._waiting.popleft())
                taken += batch[-1].size
            self._bytes -= taken
            self._sending = True
            return batch

    def _send(self, batch: list[_Waiting]) -> SendOutcome:
        payload = _encoded(batch)
        if self._sender is None:
            self._sender = self._connect()
        return self._sender.send(payload)

    def _settle(self, answer: SendOutcome, profiles: int) -> None:
        if answer.lost == UNSUPPORTED and not self._unsupported:
            self._unsupported = True
            _log.warning(
                "otel_fe: the backend takes no OTLP profiles (%s): no more are sent. Point the process at one that does, "
                "such as otel-fe collector with a pipeline for profiles, or unset OTEL_FE_PROFILES.",
                answer.detail,
            )
        elif (answer.lost or answer.rejected) and not self._warned:
            self._warned = True
            _log.warning(
                "otel_fe: profiles could not be sent (%s). Further losses are only counted, in %s.",
                answer.detail or "see the fault above",
                process_metrics.PROFILES_DROPPED,
            )
        rejected = profiles if answer.lost else min(profiles, answer.rejected)
        self._lose(answer.lost or REJECTED, rejected)
        if profiles > rejected:
            self._sent.add(profiles - rejected)
        with self._changed:
            unsent = len(self._waiting) if self._unsupported else 0
            if unsent:
                self._waiting.clear()
                self._bytes = 0
            self._sending = False
            self._changed.notify_all()
        self._lose(UNSUPPORTED, unsent)

    def _lose(self, reason: str, profiles: int) -> None:
        if profiles:
            self._dropped.add(profiles, {semconv.REASON: reason})


def _counters(meters: MeterProvider | None) -> tuple[Any, Any]:
    from opentelemetry.metrics import NoOpMeterProvider  # noqa: PLC0415 few need it

    meter = (meters or NoOpMeterProvider()).get_meter(semconv.SCOPE_NAME, __version__)
    made = []
    for name in (process_metrics.PROFILES_SENT, process_metrics.PROFILES_DROPPED):
        metric = semconv.METRIC_BY_NAME[name]
        made.append(meter.create_counter(name, metric.unit, metric.meaning))
    return made[0], made[1]


def _encoded(batch: list[_Waiting]) -> bytes:
    """Return a request with the profiles of spans of one process."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415 takes long to import
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 only for this
    from opentelemetry.trace import SpanContext  # noqa: PLC0415

    from otel_fe.profiles.otlp_profiles import otlp_profiles  # noqa: PLC0415

    first = batch[0]
    stand_in = ReadableSpan("", SpanContext(first.trace_id, first.span_id, is_remote=False), resource=first.resource)
    (encoded,) = encode_spans([stand_in]).resource_spans
    slow = [
        SlowExtraction(
            one.trace_id,
            one.span_id,
            one.start_ns,
            one.end_ns - one.start_ns,
            "",
            one.feature_set,
            1.0,
            stacks_of(one.folded),
        )
        for one in batch
    ]
    data: bytes = otlp_profiles(slow, encoded.resource).SerializeToString()
    return data
