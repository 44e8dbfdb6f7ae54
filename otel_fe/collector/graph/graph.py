"""Takes requests from receivers and moves them through the pipelines.

A request is refused as a whole before anything has been done with it, so that sending it again counts nothing twice; or it is
taken by all of its pipelines. `lock` guards samplers, connectors and derived metrics; encoding and sending are outside.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from otel_fe.clock import FAR_NS
from otel_fe.collector.graph.connected import send_collected, send_metrics
from otel_fe.collector.graph.gathered import GatheredRequests, is_small
from otel_fe.collector.graph.parts import Route
from otel_fe.collector.refusals import NoPipelineError, StoppingError
from otel_fe.units import MINUTE_NS
from otel_fe.wire.decode import Decoder
from otel_fe.wire.responses import ExportOutcome
from otel_fe.wire.validation import check

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Mapping, Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.graph.parts import Parts
    from otel_fe.collector.graph.sampled import Kept, SampledPipeline
    from otel_fe.model.metric import ResourceMetrics
    from otel_fe.wire.batch import Batch
    from otel_fe.wire.validation import ValidatedRequest

    Due = tuple[SampledPipeline, list[Kept]]
    Collected = tuple[str, list[ResourceMetrics]]


class Partition(Protocol):
    """Spreads traces over several workers."""

    def check(self) -> None:
        """Refuse new spans while another worker cannot be given its own.

        Raises:
            PressureError: Another worker cannot take its spans.
        """
        ...

    def own(self, receiver: str, batch: Batch) -> Batch:
        """Hand over the spans of other workers' traces that a receiver took, and return the rest."""
        ...


class Observer(Protocol):
    """Observes metrics and logs that pass through the pipelines."""

    def collected(self, metrics: Sequence[ResourceMetrics]) -> None:
        """Observe the metrics of a connector."""
        ...

    def exported(self, payload: bytes) -> None:
        """Observe an encoded `ExportMetricsServiceRequest`."""
        ...

    def logged(self, payload: bytes) -> None:
        """Observe an encoded `ExportLogsServiceRequest`."""
        ...


_log = logging.getLogger("otel_fe")
_SUCCESS = ExportOutcome()
FAILED: Final = "internal_error"
"""Why spans are dropped that were acknowledged, and could not be processed."""
_METRICS_INTERVAL_NS = MINUTE_NS
"""Interval of derived metrics: the default of `OTEL_METRIC_EXPORT_INTERVAL`."""
_ROOM_S = 5.0
_ROOM_POLL_S = 0.1
_OBSERVED_NS = 50_000_000
"""Time for which the observer's thread may leave new data unprocessed."""


class PipelineGraph:
    """The running pipelines. Thread-safe.

    Args:
        parts: The pipelines.
        clock: Both clocks.
        lock: Outlives a reload, as what it guards does.
        partition: Where there are several workers.
        observer: Wants to see metrics: the store.
        gathers: Whether small requests may wait some milliseconds to be processed with others.
        wake: Takes the monotonic time at which to call `tick`, should that be sooner than what `due_ns` said after the last call.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        lock: threading.Lock,
        partition: Partition | None = None,
        observer: Observer | None = None,
        wake: Callable[[int], None] = lambda _: None,
        *,
        gathers: bool = False,
    ) -> None:
        self.parts = parts
        self.lock = lock
        self.closed = False
        self._clock = clock
        self.decode = Decoder().decode
        self._partition = partition
        self._observer = observer
        self._wake = wake
        self._derived_ns = clock.monotonic_ns()
        self._gathers = gathers and not any(sampled.prompt for sampled in parts.sampled)
        self._gathered = GatheredRequests()

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the lock, with all processed that is acknowledged."""
        with self.lock:
            self._process_gathered(self._clock.monotonic_ns())
            yield

    # --- requests in ---------------------------------------------------------------------------------------------------

    def signals_of(self, receiver: str) -> Mapping[str, Route]:
        """Return the signals that some pipeline takes from a receiver."""
        return self.parts.routes.get(receiver, {})

    def take(self, receiver: str, signal: str, payload: bytes) -> tuple[int, ExportOutcome]:
        """Process a request; return the number of accepted items, and the answer.

        Items that a backend would refuse are rejected here, before they meet other senders' items.

        Raises:
            RefusedError: The request is not taken, and nothing was done with it.
            WireError: The request cannot be read.
        """
        route = self.signals_of(receiver).get(signal)
        if route is None:
            raise NoPipelineError(signal)
        self._check(route)
        checked = check(signal, payload, identified=route.needs_spans)
        if checked.items or not checked.rejected:
            gathers = self._gathers and route.needs_spans and is_small(checked.payload)
            batch = self.decode(checked.payload, sized=route.sized) if route.needs_spans and not gathers else None
            # First, since an exporter may have no room for it: then nothing has been counted twice when it comes again.
            for pipeline in route.plain:
                pipeline.take(checked.payload, checked.items)
                self._wake(pipeline.due_ns)
            if batch is not None:
                own = batch if self._partition is None else self._partition.own(receiver, batch)
                self._take_spans(route, own, self._process)
            elif gathers:
                self._gather(receiver, checked.payload, checked.items)
            if self._observer is not None and signal == "metrics":
                self._observer.exported(checked.payload)
            if self._observer is not None and signal == "logs":
                self._observer.logged(checked.payload)
        return checked.items, _outcome(checked)

    def take_handed(self, receiver: str, payload: bytes) -> int:
        """Process spans that another worker has received, of traces that this one decides; return their number.

        Raises:
            WireError: The spans cannot be read.
        """
        route = self.signals_of(receiver).get("traces", Route())
        self._wait_for_room(route)
        batch = self.decode(payload, sized=route.sized)
        spans = batch.accepted
        self._take_spans(route, batch, self._process_acknowledged)
        return spans

    def check_memory(self, receiver: str, signal: str) -> None:
        """Refuse a request of a receiver while its pipelines' `memory_limiter` does.

        Raises:
            PressureError: A `memory_limiter` refuses.
        """
        for limit in self.signals_of(receiver).get(signal, Route()).limits:
            limit.check()

    def _wait_for_room(self, route: Route) -> None:
        """Wait for exporters that hold up what is kept already; meanwhile the other worker takes no more than it has room for."""
        until_s = time.monotonic() + _ROOM_S
        while not self.closed and time.monotonic() < until_s:
            if all(sampled.outlets.retry() is None for sampled in route.sampled):
                return
            time.sleep(_ROOM_POLL_S)

    def _check(self, route: Route) -> None:
        if self.closed:
            raise StoppingError
        for look in route.checks:
            look()
        if self._partition is not None and route.needs_spans:
            self._partition.check()

    def _gather(self, receiver: str, payload: bytes, spans: int) -> None:
        now_ns = self._clock.monotonic_ns()
        due: list[Due] = []
        with self.lock:
            if self.closed:
                raise StoppingError
            waits = self._gathered.add(receiver, payload, spans, now_ns)
            if waits:
                due_ns = self._gathered.due_ns
            else:
                self._process_gathered(now_ns)
                due, due_ns = self._take_due(now_ns)
        self._send_due(due, due_ns)

    def _process_gathered(self, now_ns: int) -> None:
        """Process what waits, under the lock."""
        for receiver, payload, spans in self._gathered.take():
            route = self.signals_of(receiver)["traces"]
            try:
                batch = self.decode(payload, sized=route.sized)
                if self._partition is not None:
                    batch = self._partition.own(receiver, batch)
            except Exception:
                _account(route, [spans] * len(route.sampled), spans)
            else:
                self._process_acknowledged(route, batch, now_ns)

    def _process_acknowledged(self, route: Route, batch: Batch, now_ns: int) -> None:
        """Process spans whose sender has been told that they are taken: where that fails, they are accounted for here."""
        spans = batch.accepted
        left = [sampled.taken + spans for sampled in route.sampled]
        try:
            self._process(route, batch, now_ns)
        except Exception:
            _account(route, [whole - sampled.taken for whole, sampled in zip(left, route.sampled, strict=True)], spans)

    def _take_spans(self, route: Route, batch: Batch, process: Callable[[Route, Batch, int], None]) -> None:
        now_ns = self._clock.monotonic_ns()
        with self.lock:
            if self.closed:
                raise StoppingError
            self._process_gathered(now_ns)
            process(route, batch, now_ns)
            due, due_ns = self._take_due(now_ns)
        self._send_due(due, due_ns)

    def _process(self, route: Route, batch: Batch, now_ns: int) -> None:
        for connected in route.connected:
            connected.connector.record(batch.spans)
        if route.derives:
            self.parts.derived.record(batch.spans)
        if self.parts.keeps_all:
            self._offer(route, batch)
        for sampled in route.sampled:
            sampled.receive(batch, now_ns)
        batch.release()

    def _take_due(self, now_ns: int) -> tuple[list[Due], int]:
        """Return what is due to be sent, and when something is next, under the lock."""
        sampled = self.parts.sampled
        due = [(one, one.take_due(now_ns)) for one in sampled]
        due_ns = min([one.due_ns for one in sampled], default=FAR_NS)
        return due, due_ns if self._observer is None else min(due_ns, now_ns + _OBSERVED_NS)

    def _send_due(self, due: Sequence[Due], due_ns: int) -> None:
        self._wake(due_ns)
        for sampled, kept in due:
            sampled.send(kept)

    def _offer(self, route: Route, batch: Batch) -> None:
        """Offer exemplars where nothing samples, so that all of them can be found."""
        for connected in route.connected:
            connected.connector.offer(batch.spans)
        if route.derives:
            self.parts.derived.offer(batch.spans)

    def successor(self, now: Callable[[], PipelineGraph]) -> PipelineGraph | None:
        """Return the engine that has taken this one's place; None where this one has come to its end.

        Args:
            now: Returns the active graph.
        """
        with self.lock:  # held while one takes the place of another, which is closed before
            found = now()
        return None if found is self else found

    # --- time ----------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Decide and send what is due; called when `due_ns` says."""
        now_ns = self._clock.monotonic_ns()
        derived = b""
        with self.lock:
            if self.closed:
                return
            self._process_gathered(now_ns)
            for sampled in self.parts.sampled:
                sampled.tick()
            collected = [(name, one.collect_due(now_ns)) for name, one in self.parts.connectors.items()]
            if now_ns - self._derived_ns >= _METRICS_INTERVAL_NS:
                self._derived_ns = now_ns
                derived = self.parts.derived.collect()
            # Last: should something above fail, what is kept is still there.
            due = [(sampled, sampled.take_due(now_ns)) for sampled in self.parts.sampled]
        self._send(due, collected, derived)
        for sampled in self.parts.sampled:
            sampled.outlets.retry()
        for pipeline in self.parts.plain:
            pipeline.tick(now_ns)

    def due_ns(self) -> int:
        """Return when `tick` has something to do, as far as that is known now."""
        parts = self.parts
        with self.lock:
            found = [self._derived_ns + _METRICS_INTERVAL_NS, self._gathered.due_ns]
            found += [sampled.due_ns for sampled in parts.sampled]
            found += [connected.due_ns for connected in parts.connectors.values()]
        return min(found + [pipeline.due_ns for pipeline in parts.plain])

    def close(self, *, decide: bool) -> None:
        """Stop accepting requests; send all decided traces and metrics, after deciding pending traces if requested."""
        with self.locked():
            self.closed = True
            for sampled in self.parts.sampled:
                if decide or sampled.settings.drop_pending_traces_on_shutdown:
                    sampled.close()
        self.finish()

    def finish(self) -> None:
        """Send all that is decided and counted."""
        now_ns = self._clock.monotonic_ns()
        with self.lock:
            collected = [(name, one.collect_due(now_ns, at_once=True)) for name, one in self.parts.connectors.items()]
            derived = self.parts.derived.collect()
            due = [(sampled, sampled.take_due(now_ns, all_of_it=True)) for sampled in self.parts.sampled]
        self._send(due, collected, derived)
        for sampled in self.parts.sampled:
            sampled.outlets.give_up()
        for pipeline in self.parts.plain:
            pipeline.close()

    def _send(self, due: Sequence[Due], collected: Sequence[Collected], derived: bytes) -> None:
        for sampled, kept in due:
            sampled.send(kept)
        for name, metrics in collected:
            send_collected(metrics, self.parts.metrics_of[name])
            if self._observer is not None and metrics:
                self._observer.collected(metrics)
        send_metrics(derived, self.parts.own_metrics_to)
        if self._observer is not None and derived:
            self._observer.exported(derived)


def _account(route: Route, left: Sequence[int], spans: int) -> None:
    """Count acknowledged spans that could not be processed as dropped: for each sampling pipeline, those that it has not taken."""
    _log.exception("%d spans that were acknowledged could not be processed", spans)
    for sampled, number in zip(route.sampled, left, strict=True):
        sampled.counters.reject({FAILED: max(0, number)})


def _outcome(checked: ValidatedRequest) -> ExportOutcome:
    rejected = checked.rejected
    return ExportOutcome(sum(rejected.values()), checked.message, rejected) if rejected else _SUCCESS
