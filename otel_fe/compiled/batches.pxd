"""The spans of a request by trace: rows that point into the request, which become objects on demand."""

cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint64_t

from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.spans cimport Head, Span, Texts


cdef struct Row:  # a span
    Span span
    int32_t origin  # the number of its resource and scope
    int32_t next  # the next row of the same trace; -1 for the last
    int32_t made  # 1 + the number of its object; 0 if there is none


cdef struct Group:  # a trace
    Bytes id  # its place in the request
    uint64_t high
    uint64_t low
    int64_t size_bytes
    int32_t first
    int32_t last
    int32_t count  # of its spans; 0 once `hand_over` has removed it


@cython.final
@cython.no_gc
cdef class Batch:
    cdef bytes payload
    cdef type kind
    cdef object trace_kind
    cdef Texts names
    cdef Texts states
    cdef list origins  # resource, scope, and the number of the `ResourceSpans`
    cdef object scope  # the last one, and its frame: scopes of a gateway are mostly alike
    cdef bytes scope_frame
    cdef list heads
    cdef Row *rows
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef Py_ssize_t left  # spans, without those of traces that `hand_over` has removed
    cdef Group *groups
    cdef Py_ssize_t groups_count
    cdef Py_ssize_t groups_room
    cdef int32_t *places  # by hash of the trace's id: 1 + the number of its group; open addressing, at most half full
    cdef int places_shift

    cdef bint read(self, resources, scopes) except -1
    cdef bint read_resource(self, Bytes start, Bytes end, int number, resources, scopes) except -1
    cdef bint read_scope(self, Bytes p, Bytes end, resource, int number, scopes) except -1
    cdef bint is_full(self, int resources) noexcept
    cdef Py_ssize_t read_one(self, Bytes begin, Bytes end, Py_ssize_t expected) except -2
    cdef Py_ssize_t group_of(self, Bytes trace_id, Py_ssize_t expected) except -1
    cdef int grow(self) except -1
    cdef int grow_groups(self, Py_ssize_t room) except -1
    cdef Head head(self, Row *row, trace_id)
    cdef object trace(self, Group *group)
    cdef int64_t size_of(self, Group *group) except -1

    cdef inline bint is_of(self, Py_ssize_t which, uint64_t high, uint64_t low) noexcept:
        return self.groups[which].low == low and self.groups[which].high == high

    cdef inline tuple origin_of(self, Row *row):
        """Return what encloses a span: resource, scope and the number of the `ResourceSpans`.

        Raises:
            RuntimeError: A callback has released the batch.
        """
        if row.origin >= PyList_GET_SIZE(self.origins):
            raise RuntimeError("the batch was released by a callback while its spans were processed")
        return <tuple>PyList_GET_ITEM(self.origins, row.origin)

    cdef inline object resource_of(self, Row *row):
        return self.origin_of(row)[0]

    cdef inline str state_of(self, Row *row):
        return self.states.read(row.span.at + row.span.state_at, row.span.state_size)

    cdef inline object id_of(self, Group *group):
        return (<object>group.high) << 64 | group.low


@cython.final
@cython.no_gc
cdef class Spans:
    cdef Batch batch


@cython.final
@cython.no_gc
cdef class Traces:
    cdef Batch batch

    cdef list made(self)
