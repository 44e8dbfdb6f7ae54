# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
"""The trace that collects the spans of this process, in C. The plain implementation, `pipeline/trace.py`, defines the behaviour.

A trace needs no lock here. Its methods run no Python code between their first look at it and their last change, and no memory
is allocated there that the garbage collector would count, so no other thread and no finalizer comes in between.
"""

from cpython.list cimport PyList_GET_SIZE
from libc.stdint cimport INT64_MAX, int64_t

from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef int64_t _sweep_every

LATE, OPEN, GROWN, FULL, REMARKABLE, COMPLETE = range(6)


def use_traces(outcomes, int64_t sweep_every):
    """Take over the constants of `pipeline/trace.py`."""
    global _sweep_every
    assert outcomes == (LATE, OPEN, GROWN, FULL, REMARKABLE, COMPLETE)
    _sweep_every = sweep_every


cdef class LocalTrace:
    """Twin of `pipeline/trace.py`."""

    def __init__(self, trace_id, entry, key=b"", bounds=None):
        self.trace_id, self.entry, self.key, self.bounds = trace_id, entry, key, bounds
        self.start_ns = self.end_ns = self.roots_ended_ns = self.bytes = 0
        self.spans = []
        self.candidates = []
        self.most_spans = INT64_MAX if bounds is None else bounds.max_spans

    @property
    def duration_ns(self):
        """Of the whole trace."""
        return self.end_ns - self.start_ns

    cpdef bint started(self, bint root) except -1:
        """Count a span that has started; return False, and do not, where the trace has been decided."""
        if self.decided:
            return False
        self.open_spans += 1
        if root:
            self.open_roots += 1
            self.roots_ended_ns = 0
        return True

    cpdef int ended(self, object span, object start_ns, object end_ns, bint error, int64_t size, bint root) except -1:
        """Take a span that has ended, unless the trace has been decided; return what that makes of it."""
        cdef int64_t before
        if self.decided:
            return 0  # LATE
        if not PyList_GET_SIZE(self.spans):
            self.start_ns, self.end_ns = start_ns, end_ns
        else:
            if start_ns < self.start_ns:
                self.start_ns = start_ns
            if end_ns > self.end_ns:
                self.end_ns = end_ns
        self.spans.append(span)
        if error:
            self.error = True
        before = self.bytes
        self.bytes = before + size
        self.open_spans -= 1
        if root:
            self.open_roots -= 1
        if self.open_spans:
            if root and not self.open_roots:
                self._roots_ended()
            if PyList_GET_SIZE(self.spans) < self.most_spans:
                return 1 if before // _sweep_every == self.bytes // _sweep_every else 2  # OPEN, GROWN
            self.decided = True
            return 3  # FULL
        if self.bounds is not None and self.bounds.decides_immediately and (
            self.error or self.slo_breached or self.end_ns - self.start_ns >= self.bounds.slow_ns
        ):
            self.decided = True
            return 4  # REMARKABLE
        return 5  # COMPLETE

    cdef int took_inner(self, object span, object start_ns, object end_ns, int64_t size) except -1:
        """Do the same for a span that is none of its roots and has no error, where it comes to `OPEN`; else nothing."""
        cdef int64_t before = self.bytes
        if (
            self.decided
            or self.open_spans < 2
            or type(start_ns) is not int
            or type(end_ns) is not int
            or PyList_GET_SIZE(self.spans) + 1 >= self.most_spans
            or before // _sweep_every != (before + size) // _sweep_every
        ):
            return False
        self.ended(span, start_ns, end_ns, False, size, False)
        return True

    cpdef bint withheld(self, bint root) except -1:
        """Count a span out that will not be handed over; return whether that makes the trace complete."""
        if self.decided:
            return False
        self.open_spans -= 1
        if root:
            self.open_roots -= 1
            if not self.open_roots:
                self._roots_ended()
        return not self.open_spans

    cdef int _roots_ended(self) except -1:
        """Begin the wait for open children; another root may begin while the clock is read."""
        now = self.bounds.monotonic_ns() if self.bounds is not None else 0
        if not self.open_roots:
            self.roots_ended_ns = now
        return 0

    cpdef bint claim(self, bint complete) except -1:
        """Set `decided`, for the caller to decide the trace; return False where another has."""
        if self.decided or (complete and self.open_spans):
            return False
        self.decided = True
        return True

    def abandon(self):
        """Leave the trace to the process that this one was forked from."""
        self.decided = self.abandoned = True
