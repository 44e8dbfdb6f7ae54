"""Shared by series of span metrics and of extractions: edges of buckets, and a bound on remembered bytes."""

cimport cython
from libc.stdint cimport int64_t

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
