"""The trace that collects the spans of this process."""

from libc.stdint cimport int64_t


cdef class LocalTrace:
    cdef public object trace_id, entry, key, bounds, decision, start_ns, end_ns, roots_ended_ns, bytes
    cdef public list spans, candidates
    cdef public Py_ssize_t open_spans, open_roots
    cdef public bint decided, abandoned, error, slo_breached
    cdef int64_t most_spans

    cpdef bint started(self, bint root) except -1
    cpdef int ended(
        self, object span, object start_ns, object end_ns, bint error, int64_t size, bint root
    ) except -1
    cdef int took_inner(self, object span, object start_ns, object end_ns, int64_t size) except -1
    cpdef bint withheld(self, bint root) except -1
    cdef int _roots_ended(self) except -1
    cpdef bint claim(self, bint complete) except -1
