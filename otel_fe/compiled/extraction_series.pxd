"""A series of extractions, counted in C until it is brought up to date."""

cimport cython
from libc.stdint cimport int64_t

from otel_fe.compiled.finders cimport KEY_BYTES, Edges

cdef enum:
    REQUIREMENTS = 4  # latency, cache hits, errors, memory
    MOST_CAUSES = 32  # of slow extractions

cdef int64_t MOST_VALUE  # this and more is unusual: two that are less can be added


cdef struct Figures:  # the measurements on an extraction's span
    int64_t duration_ns
    int64_t lookups
    int64_t hits
    int64_t growth
    int64_t wait_ns  # -1 if it did not wait
    int64_t cpu_ns  # -1 if unknown
    bint failed
    bint slow  # whether it has times by cause
    int64_t causes[MOST_CAUSES]  # in ns; only if it is slow
    Py_ssize_t size
    unsigned char key[KEY_BYTES]  # of its series


@cython.final
@cython.no_gc
cdef class Histogram:
    cdef object histogram
    cdef list buckets
    cdef Edges edges
    cdef int64_t total  # of values that were counted since the last `settle`
    cdef int64_t least  # of the values counted here: the histogram's own may be less, and never becomes more
    cdef int64_t most

    cdef int record(self, int64_t value) except -1
    cdef int settle(self) except -1


@cython.final
@cython.no_gc
cdef class CountedSeries:
    cdef object series
    cdef Histogram duration
    cdef Histogram growth
    cdef Histogram cpu
    cdef Histogram wait
    cdef bint unsettled
    cdef int64_t hits
    cdef int64_t misses
    cdef tuple causes  # their names
    cdef int64_t times[MOST_CAUSES]
    cdef bint slow  # whether there are any times
    cdef int good[REQUIREMENTS]
    cdef int bad[REQUIREMENTS]

    cdef int record(self, Figures *figures, int64_t latency_limit_ns, int64_t memory_limit) except -1
    cdef int add_times(self, Figures *figures) except -1
    cdef int settle_times(self) except -1
    cdef int settle(self) except -1
