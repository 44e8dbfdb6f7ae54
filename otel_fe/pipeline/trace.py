"""A trace while it is being assembled: what this process knows of it until it is decided."""

from __future__ import annotations

import sys
from _thread import RLock
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.compiled.local_protocols import LocalTraceFields
    from otel_fe.model.decision import Decision
    from otel_fe.model.measurements import Measurements


Candidate = tuple["Measurements", int, int]
"""An extraction that becomes an exemplar if its trace is kept: its figures, the Unix time of its end, its span's id."""

Key = bytes
"""Its key in dictionaries (`trace_key`)."""
LATE: Final = 0
"""The trace has been decided."""
OPEN: Final = 1
"""Other spans of the trace are still open."""
GROWN: Final = 2
"""Other spans are open, and the trace has grown so much that the bytes of all traces should be looked at."""
FULL: Final = 3
"""Other spans are open, but the trace may hold no more: it is decided now."""
REMARKABLE: Final = 4
"""None is open, and the trace alone is worth keeping: it is decided now."""
COMPLETE: Final = 5
"""None is open."""

SWEEP_EVERY_BYTES: Final = 256 * 1024
"""The growth of one trace between two checks of the bytes of all."""


@dataclass(frozen=True, slots=True)
class DecisionBounds:
    """The limits by which a local trace is decided as its spans end."""

    slow_ns: int
    """Duration from which a trace is slow."""
    decides_immediately: bool
    """Whether one that is slow, has an error or breaks an SLO is decided as soon as no span of it is open."""
    max_spans: int
    """Number of spans at which a trace is decided."""
    monotonic_ns: Callable[[], int]
    """The clock of the wait for open children."""


UNBOUNDED: Final = DecisionBounds(sys.maxsize, False, sys.maxsize, lambda: 0)  # noqa: FBT003


class PlainLocalTrace:
    """The spans of one trace that this process has started, and the sums over them that policies read.

    `lock` guards every field; the thread that sets `decided` under it owns the trace from then on. Defaults are on the class:
    one of these is made for every trace, and most hold little. `compiled/local_traces.pyx` has its compiled twin.
    """

    open_spans: int = 0
    open_roots: int = 0
    """Of the open spans, those without a parent in this process."""
    roots_ended_ns: int = 0
    """Monotonic time at which the last open root ended, while children stay open; else 0."""
    decided: bool = False
    decision: Decision | None = None
    """None while `decided` is false, and for a moment after."""
    abandoned: bool = False
    """It was begun by the process that this one was forked from, which continues it."""
    error: bool = False
    slo_breached: bool = False
    start_ns: int = 0
    end_ns: int = 0
    bytes: int = 0
    trace_id: int
    key: Key
    """Empty if it is never looked up."""
    entry: str | None
    """The `ot` entry of the tracestate it came with."""
    bounds: DecisionBounds
    lock: RLock
    """Reentrant, as all locks of the pipeline: the garbage collector may close a generator, and so end a span, on this very thread
    while it is held."""
    spans: list[object]
    candidates: list[Candidate]

    def __init__(self, trace_id: int, entry: str | None, key: Key = b"", bounds: DecisionBounds = UNBOUNDED) -> None:
        self.trace_id, self.key, self.entry, self.bounds = trace_id, key, entry, bounds
        self.lock = RLock()
        self.spans = []
        self.candidates = []

    @property
    def duration_ns(self) -> int:
        """Of the whole trace: earliest start to latest end, whatever the order in which its spans came."""
        return self.end_ns - self.start_ns

    def started(self, root: bool) -> bool:  # noqa: FBT001 the hot path, as below
        """Count a span that has started; return False, and do not, where the trace has been decided.

        Args:
            root: Whether its parent is not in this process.
        """
        with self.lock:
            if self.decided:
                return False
            self.open_spans += 1
            if root:
                self.open_roots += 1
                self.roots_ended_ns = 0
            return True

    def ended(self, span: object, start_ns: int, end_ns: int, error: bool, size: int, root: bool) -> int:  # noqa: FBT001
        """Take a span that has ended, unless the trace has been decided; return what that makes of it.

        Returns:
            One of `LATE`, `OPEN`, `GROWN`, `FULL`, `REMARKABLE`, `COMPLETE`. With `FULL` and `REMARKABLE`, `decided` has been
            set, and the caller decides it.
        """
        with self.lock:
            if self.decided:
                return LATE
            spans, bounds = self.spans, self.bounds
            if not spans:
                self.start_ns, self.end_ns = start_ns, end_ns
            else:
                if start_ns < self.start_ns:
                    self.start_ns = start_ns
                if end_ns > self.end_ns:
                    self.end_ns = end_ns
            spans.append(span)
            if error:
                self.error = True
            before = self.bytes
            self.bytes = grown = before + size
            self.open_spans = still_open = self.open_spans - 1
            if root:
                self.open_roots -= 1
            if still_open:
                if root and not self.open_roots:
                    self.roots_ended_ns = bounds.monotonic_ns()
                if len(spans) < bounds.max_spans:
                    return OPEN if before // SWEEP_EVERY_BYTES == grown // SWEEP_EVERY_BYTES else GROWN
                self.decided = True
                return FULL
            # What is kept whatever its id has no reason to wait for company.
            if bounds.decides_immediately and (
                self.error or self.slo_breached or self.end_ns - self.start_ns >= bounds.slow_ns
            ):
                self.decided = True
                return REMARKABLE
            return COMPLETE

    def withheld(self, root: bool) -> bool:  # noqa: FBT001
        """Count a span out that has started and will not be handed over; return whether that makes the trace complete."""
        with self.lock:
            if self.decided:
                return False
            self.open_spans -= 1
            if root:
                self.open_roots -= 1
                if not self.open_roots:
                    self.roots_ended_ns = self.bounds.monotonic_ns()
            return not self.open_spans

    def claim(self, complete: bool) -> bool:  # noqa: FBT001
        """Set `decided`, for the caller to decide the trace; return False where another has.

        Args:
            complete: Only where no span of it is open.
        """
        with self.lock:
            if self.decided or (complete and self.open_spans):
                return False
            self.decided = True
            return True

    def abandon(self) -> None:
        """Leave the trace to the process that this one was forked from."""
        self.lock = RLock()  # another thread of the parent may have held it
        self.decided = self.abandoned = True


if TYPE_CHECKING:  # a name that is chosen cannot be used as a type
    LocalTrace = PlainLocalTrace
    _follows: type[LocalTraceFields] = PlainLocalTrace
elif compiled.backend is None:
    LocalTrace = PlainLocalTrace
else:
    LocalTrace = compiled.backend.LocalTrace
    compiled.backend.use_traces((LATE, OPEN, GROWN, FULL, REMARKABLE, COMPLETE), SWEEP_EVERY_BYTES)
