"""Series of span metrics by what is encoded in a span; shared with those of extractions: edges of buckets, a bound on remembered bytes."""

cimport cython
from libc.stdint cimport int64_t

from otel_fe.compiled.attributes cimport Keys
from otel_fe.compiled.spans cimport Span

cdef enum:
    MOST_BYTES = 32 * 1024 * 1024  # that all finders and counters remember; other series are found in Python
    ABOUT_BYTES = 512  # that remembering takes beside the key
    KEY_BYTES = 2048


@cython.final
@cython.no_gc
cdef class Edges:
    cdef int64_t *at
    cdef int count

    cdef inline int bucket(self, int64_t value) noexcept:
        """Return the bucket of a value; an edge belongs to the bucket below it."""
        cdef int low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if self.at[middle] < value:
                low = middle + 1
            else:
                high = middle
        return low


cdef bint reserve(Py_ssize_t size) noexcept
cdef void give_back(Py_ssize_t size) noexcept


cdef class Known:
    cdef bytes key
    cdef object series
    cdef object aggregate  # a histogram with explicit edges; None for any other
    cdef Edges edges
    cdef int64_t *counts  # by bucket
    cdef int64_t total_ns
    cdef bint waiting  # whether there are any

    cdef Py_ssize_t counts_bytes(self) noexcept
    cdef int add(self, int64_t duration_ns) except -1
    cdef int settle(self) except -1


cdef class Finder:
    cdef Keys keys
    cdef tuple fallbacks
    cdef object find_by_key
    cdef dict known
    cdef list last  # those of the last spans: consecutive spans are mostly alike
    cdef Known last_unlearned
    cdef int oldest
    cdef Py_ssize_t held

    cdef Py_ssize_t write_key(self, Span *span, unsigned char *key) noexcept
    cdef Known remember(self, bytes key, series)
    cdef Known look(self, Span *span)
    cdef Known look_by_key(self, Span *span, bytes encoded)
    cdef tuple key_of(self, Span *span)
