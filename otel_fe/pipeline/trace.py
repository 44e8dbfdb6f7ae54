"""A trace while it is being assembled: what this process knows of it until it is decided."""

from __future__ import annotations

from _thread import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_fe.model.decision import Decision
    from otel_fe.model.measurements import Measurements


Candidate = tuple["Measurements", int, int]
"""An extraction that becomes an exemplar if its trace is kept: its figures, the Unix time of its end, its span's id."""

Key = bytes
"""Its key in dictionaries (`trace_key`)."""


class LocalTrace:
    """The spans of one trace that this process has started, and what the policies ask of them.

    `lock` guards every field; the thread that sets `decided` under it owns the trace from then on. Defaults are on the class:
    one of these is made for every trace, and most hold little.
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
    """It was begun by the process that this one was forked from, which goes on with it."""
    error: bool = False
    slo_breached: bool = False
    start_ns: int = 0
    end_ns: int = 0
    bytes: int = 0

    def __init__(self, trace_id: int, entry: str | None, key: Key = b"") -> None:
        self.trace_id = trace_id
        self.key = key
        """Empty if it is never looked up."""
        self.entry = entry
        """The `ot` entry of the tracestate it came with."""
        self.lock = RLock()
        """Reentrant, as all locks of the pipeline: the garbage collector may close a generator, and so end a span, on
        this very thread while it is held."""
        self.spans: list[object] = []
        self.candidates: list[Candidate] = []

    @property
    def duration_ns(self) -> int:
        """Of the whole trace: earliest start to latest end, whatever the order in which its spans came."""
        return self.end_ns - self.start_ns
