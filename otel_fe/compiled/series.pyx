"""Counting spans in their series of span metrics, and drawing exemplars."""

cimport cython
from libc.stdint cimport int64_t

from otel_fe.compiled.batches cimport Batch, Group, Row, Spans
from otel_fe.compiled.finders cimport Finder, Known
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span, may_tell

SOURCES = OTEL_FE_SOURCES.decode()


@cython.final
@cython.no_gc
cdef class _Round:
    """Counts the spans of one request.

    Args:
        sources: Sources by resource. Each of a source's `finders` counts every span; None makes its spans unusual.
        now_ns: Monotonic time.
        weigh: Given a `tracestate`, returns the span's weight in parts of 2**-64, None for 1. None makes spans unusual that may have one.
    """

    cdef dict sources
    cdef object now_ns, resource, weigh
    cdef tuple finders  # of the resource
    cdef list found  # of the span
    cdef list waiting

    def __cinit__(self, dict sources not None, now_ns, weigh):
        self.sources, self.now_ns, self.resource, self.finders, self.weigh = sources, now_ns, None, None, weigh
        self.found, self.waiting = [], []

    cdef int turn(self, resource) except -1:
        """Turn to the spans of a resource."""
        if resource is not self.resource:
            self.resource = resource
            source = self.sources.get(resource)
            self.finders = None if source is None else source.finders
            if self.finders is not None and self.now_ns is not None:
                source.measured.seen_ns = self.now_ns
        return 0

    cdef bint look(self, Span *span) except -1:
        """Find the series of a span in all finders; return False if one is not known, or the span is unusual.

        The only callback here is `find_by_key`, which changes no span, so that `span` stays valid.
        """
        cdef Finder finder
        if self.finders is None or span.start_ns >> 63 or span.end_ns >> 63:
            return False
        self.found.clear()
        for finder in self.finders:
            found = finder.look(span)
            if found is None:
                return False
            self.found.append(found)
        return True

    cdef bint count(self, Span *span, state) except -1:
        """Count a span, whose `tracestate` is None if it tells no weight; return False if that is left to Python."""
        cdef Known found
        if state is not None and self.weigh is None or not self.look(span):
            return False
        weight = None if state is None else self.weigh(state)
        for found in self.found:
            if weight is not None:
                found.series.seen_ns = self.now_ns
                found.series.record(_lasted(span), found.series.whole(weight))
                continue
            if not found.waiting:
                self.waiting.append(found)
                found.waiting = True
            found.add(_lasted(span))
        return True

    cdef int settle(self) except -1:
        cdef Known found
        for found in self.waiting:
            found.waiting = False
        for found in self.waiting:
            found.series.seen_ns = self.now_ns
            found.settle()
        return 0


def record(spans, dict sources not None, now_ns, weigh=None):
    """Count spans, and return those left to Python.

    Args:
        spans: The `Spans` of a batch, or any other spans.
        sources: As for `_Round`.
        now_ns: Monotonic time.
        weigh: As for `_Round`.
    """
    cdef _Round counting = _Round(sources, now_ns, weigh)
    cdef list left = []
    try:
        if isinstance(spans, Spans):
            _record_batch((<Spans>spans).batch, counting, left)
        else:
            _record(spans, counting, left)
    finally:
        counting.settle()
    return left


cdef int _record_batch(Batch batch, _Round counting, list left) except -1:
    cdef Py_ssize_t which, i
    cdef Group *group
    cdef Row *row
    cdef bytes payload = batch.payload
    for which in range(batch.groups_count):
        group = &batch.groups[which]
        i = group.first if group.count else -1
        while i >= 0:
            row = &batch.rows[i]
            counting.turn(batch.resource_of(row))
            state = None
            if row.span.state_size and may_tell(row.span.at + row.span.state_at, row.span.state_size):
                state = batch.state_of(row)
            if not counting.count(&row.span, state):
                left.append(batch.head(row, batch.id_of(group)))
            i = row.next
    return 0


cdef int _record(spans, _Round counting, list left) except -1:
    cdef Span fields
    for span in spans:
        if isinstance(span, Head):
            counting.turn((<Head>span).resource)
            state = (<Head>span).trace_state
            if (<Head>span).fill(&fields) and counting.count(&fields, state if fields.state_size and "ot=" in state else None):
                continue
        left.append(span)
    return 0


cdef inline int64_t _lasted(Span *span) noexcept:
    return <int64_t>(span.end_ns - span.start_ns) if span.end_ns > span.start_ns else 0


def drawn(spans, dict sources not None, draw):
    """Offer spans as exemplars.

    Args:
        spans: Spans of kept traces.
        sources: As for `_Round`.
        draw: Returns a random integer from 0 to its argument less one.

    Returns:
        Those left to Python; and for each that is drawn its series, its bucket, its duration and itself.
    """
    cdef list left = [], chosen = []
    cdef _Round looking = _Round(sources, None, None)
    cdef Span fields
    cdef Known found
    cdef int bucket
    for span in spans:
        if isinstance(span, Head):
            looking.turn((<Head>span).resource)
        if not isinstance(span, Head) or not (<Head>span).fill(&fields) or not looking.look(&fields):
            left.append(span)
            continue
        for found in looking.found:
            if found.aggregate is None:
                bucket = found.series.aggregate.bucket(_lasted(&fields))
            else:
                bucket = found.edges.bucket(_lasted(&fields))
            if found.series.reservoir.draws(bucket, draw):
                chosen.append((found.series, bucket, _lasted(&fields), span))
    return left, chosen
