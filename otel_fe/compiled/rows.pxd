"""Pending traces: a row each, and their spans as bytes."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from otel_fe.compiled.batches cimport Batch, Group
from otel_fe.compiled.prefetch cimport prefetch
from otel_fe.compiled.segments cimport Segment, Segments
from otel_fe.compiled.traces cimport DecisionTable, place_of_id


cdef struct Piece:  # spans of one resource and scope that arrived together
    Piece *next
    PyObject *resource  # NULL if they are objects
    PyObject *scope  # or a list of the objects
    Segment *segment  # NULL if they are objects
    int64_t size  # of their bytes: each span's length in four bytes, and the span
    uint32_t at  # in the segment
    uint32_t count


cdef struct Wait:
    uint64_t high  # of the trace's id
    uint64_t low
    uint64_t start_ns
    uint64_t end_ns
    uint64_t bits  # by leaf: whether a span has matched
    uint64_t randomness  # the least that spans state
    int64_t arrived_ns
    int64_t root_received_ns
    int64_t size_bytes
    int64_t wrapped_bytes
    int64_t count
    Piece *first
    Piece *last
    Wait *chained  # the next row at the same place of the table
    Wait *older
    Wait *newer
    Wait *rooted_older
    Wait *rooted_newer
    uint32_t flags
    unsigned char statuses
    bint has_trace_state  # whether any span has a `tracestate`
    bint explicit  # whether one states its randomness
    bint tells  # whether one states how it was sampled
    bint by_root  # whether it is in the list of those that wait after their root
    int64_t seen[1]  # a number for each leaf that looks at each span; then the bits of the words of leaves after the first


@cython.final
cdef class Rows:
    cdef Segments segments
    cdef int seen_count
    cdef Wait **table
    cdef int shift
    cdef Py_ssize_t traces
    cdef Py_ssize_t spans
    cdef int64_t held_bytes
    cdef Wait *oldest
    cdef Wait *newest
    cdef Wait *rooted_oldest
    cdef Wait *rooted_newest

    cdef int grow(self) except -1
    cdef Wait *begin(self, uint64_t high, uint64_t low, int64_t arrived_ns) except NULL
    cdef void wait_after_root(self, Wait *row) noexcept
    cdef void forget(self, Wait *row) noexcept
    cdef int append_spans(self, Wait *row, Batch batch, Group *group, bint lasting, int64_t now_ns) except -1
    cdef Piece *copy_run(self, Batch batch, Py_ssize_t *which, bint lasting, int64_t now_ns) except NULL
    cdef void append_objects(self, Wait *row, Piece *piece, list spans) noexcept
    cdef void append(self, Wait *row, Piece *first, Piece *last) noexcept
    cdef void free_pieces(self, Piece *piece) noexcept
    cdef list spans_of(self, Wait *row, type kind)
    cdef int read_piece(self, Piece *piece, trace_id, type kind, list spans) except -1
    cdef Wait *next_due(self, int64_t arrived_until_ns, int64_t rooted_until_ns, int *trigger) noexcept
    cdef void prefetch_groups(self, Batch batch, Py_ssize_t which, DecisionTable decided) noexcept
    cdef void prefetch_due(self, Wait *row, DecisionTable decided) noexcept
    cdef tuple values_of(self, Wait *row)
    cdef list due(self, int64_t arrived_until_ns, int64_t rooted_until_ns)
    cdef list ids(self)
    cdef Py_ssize_t longest(self) noexcept

    cdef inline Wait *find(self, uint64_t high, uint64_t low) noexcept:
        cdef Wait *row = self.table[place_of_id(high, low, self.shift)]
        while row != NULL and (row.low != low or row.high != high):
            row = row.chained
        return row

    cdef inline Wait *first_at(self, uint64_t high, uint64_t low) noexcept:
        """Return the first row at the place of a trace: mostly its own, if it has one."""
        return self.table[place_of_id(high, low, self.shift)]

    cdef inline void prefetch_place(self, uint64_t high, uint64_t low) noexcept:
        """Have the place of the table loaded that a trace's row is found by."""
        prefetch(&self.table[place_of_id(high, low, self.shift)])


cdef inline void prefetch_row(Wait *row) noexcept:
    cdef const char *at = <const char *>row
    prefetch(at)
    prefetch(at + 64)
    prefetch(at + 128)


cdef inline object id_of(Wait *row):
    return (<object>row.high) << 64 | row.low


cdef inline uint64_t randomness_of(Wait *row) noexcept:
    """Return the 56 bits that a trace is sampled by: those it states, or the end of its id."""
    return row.randomness if row.explicit else row.low & ((<uint64_t>1 << 56) - 1)


cdef bytes record_of(Wait *row, int seen_count, uint64_t time_ns, int trigger, const uint64_t *more, int more_count)
cdef Piece *make_piece() except NULL
