"""Pending traces: a row each, and their spans as bytes."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from otel_fe.compiled.batches cimport Batch, Group
from otel_fe.compiled.traces cimport place_of_id


cdef struct Run:  # spans of one resource and scope, in a chunk
    PyObject *resource
    PyObject *scope
    uint32_t count
    uint32_t size  # of what follows: each span's length in four bytes, and the span


cdef struct Chunk:  # the beginning of a bytes object: spans that arrived together
    PyObject *next
    PyObject *objects  # a list of them, if they are unusual; then no runs follow
    int64_t objects_bytes  # that those hold


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
    PyObject *first
    PyObject *last
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
    int64_t seen[1]  # as many as there are leaves that look at each span


@cython.final
cdef class Rows:
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
    cdef void append(self, Wait *row, PyObject *chunk) noexcept
    cdef Wait *next_due(self, int64_t arrived_until_ns, int64_t rooted_until_ns, int *trigger) noexcept
    cdef tuple values_of(self, Wait *row)

    cdef inline Wait *find(self, uint64_t high, uint64_t low) noexcept:
        cdef Wait *row = self.table[place_of_id(high, low, self.shift)]
        while row != NULL and (row.low != low or row.high != high):
            row = row.chained
        return row


cdef inline object id_of(Wait *row):
    return (<object>row.high) << 64 | row.low


cdef inline Chunk *chunk_at(PyObject *chunk) noexcept:
    return <Chunk *>PyBytes_AS_STRING(<object>chunk)


cdef inline uint64_t randomness_of(Wait *row) noexcept:
    """Return the 56 bits that a trace is sampled by: those it states, or the end of its id."""
    return row.randomness if row.explicit else row.low & ((<uint64_t>1 << 56) - 1)


cdef bytes record_of(Wait *row, int seen_count, uint64_t time_ns, int trigger, const uint64_t *more, int more_count)
cdef bytes chunk_of(Batch batch, Group *group)
cdef bytes empty_chunk()
cdef void hold_objects(bytes chunk, list spans) noexcept
cdef list spans_of(Wait *row, type kind)
