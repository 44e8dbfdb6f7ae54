"""A span: its fields as a struct, for what is done to every span, and as an object."""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memchr

from otel_fe.compiled.reading cimport Bytes

cdef enum:
    TEXTS = 4  # that `Texts` remembers


cdef struct Span:
    Bytes at
    Py_ssize_t size
    Bytes name
    Py_ssize_t name_size
    uint64_t span_id
    uint64_t parent_id  # 0 for a root
    uint64_t start_ns
    uint64_t end_ns
    int kind
    int status
    uint32_t flags
    int32_t pairs_at  # 1 + the offset of its attributes, which are consecutive; 0 if they are unusual
    int32_t state_at  # the offset of its `tracestate`
    int32_t state_size
    bint has_status


@cython.no_gc
cdef class Head:
    cdef bytes held  # the object that holds its bytes: a request, or these bytes alone
    cdef Bytes at
    cdef Py_ssize_t size
    cdef public object trace_id
    cdef public uint64_t span_id
    cdef public uint64_t parent_id
    cdef public uint64_t start_ns
    cdef public uint64_t end_ns
    cdef public int kind
    cdef public int status
    cdef public uint32_t flags
    cdef public bint has_status
    cdef public str name
    cdef public str trace_state
    cdef public object resource
    cdef public object scope
    cdef object made
    cdef int32_t pairs_at  # as in `Span`

    cdef void hold(self, bytes held, Bytes at, Py_ssize_t size) noexcept
    cdef bytes own(self)
    cdef bint fill(self, Span *span) except -1


cdef inline bint may_tell(Bytes state, Py_ssize_t size) noexcept:
    """Return whether a `tracestate` may have sampling entries: as `trace_state.sampling`, which looks for `ot=` first."""
    cdef Bytes last = state + size - 3  # the last place where that may begin
    while state <= last:
        state = <Bytes>memchr(state, b"o", last - state + 1)
        if state == NULL:
            return False
        if state[1] == b"t" and state[2] == b"=":
            return True
        state += 1
    return False


cdef inline Head make_head(type kind):
    """Return a new span of a class below `Head`, without calling its `__init__`."""
    cdef tuple nothing = ()
    return <Head?>(<PyTypeObject *>kind).tp_new(kind, <PyObject *>nothing, NULL)


@cython.final
cdef class Texts:
    cdef list texts
    cdef Bytes at[TEXTS]
    cdef Py_ssize_t sizes[TEXTS]
    cdef int oldest

    cdef int place(self, Bytes p, Py_ssize_t size) except -1
    cdef str read(self, Bytes p, Py_ssize_t size)


cdef bint read_span(Span *span, Bytes *trace_id, Bytes begin, Bytes end, Texts names, Texts states) except -1
