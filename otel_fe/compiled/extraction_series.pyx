"""A series of extractions, counted in C until it is brought up to date."""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t

from otel_fe.compiled.finders cimport Edges
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef int64_t MOST_VALUE = <int64_t>1 << 62


@cython.final
@cython.no_gc
cdef class Histogram:
    """A histogram of a series."""

    def __cinit__(self, histogram, Edges edges not None):
        self.histogram = histogram
        self.buckets = histogram.buckets
        self.edges = edges
        if len(self.buckets) <= edges.count:
            raise ValueError(f"{len(self.buckets)} buckets, and {edges.count} edges")
        self.total = 0
        self.least = INT64_MAX
        self.most = -1

    cdef int record(self, int64_t value) except -1:
        """Count a value, which is not below 0."""
        cdef int bucket = self.edges.bucket(value)
        self.buckets[bucket] = self.buckets[bucket] + 1
        self.total += value
        if self.total >= MOST_VALUE:
            self.settle()
        if value < self.least:
            self.least = value
            if value < self.histogram.least:
                self.histogram.least = value
        if value > self.most:
            self.most = value
            if value > self.histogram.most:
                self.histogram.most = value
        return 0

    cdef int settle(self) except -1:
        """Bring the histogram's sum up to date."""
        if self.total:
            self.histogram.total = self.histogram.total + self.total
            self.total = 0
        return 0


@cython.final
@cython.no_gc
cdef class CountedSeries:
    """A series of extractions, and the counts that have not been added to it yet."""

    cdef int record(self, Figures *figures, int64_t latency_limit_ns, int64_t memory_limit) except -1:
        """Count an extraction, as the `record` of its plain series does."""
        cdef bint hit = figures.hits == figures.lookups
        self.unsettled = True
        self.duration.record(figures.duration_ns)
        self.growth.record(figures.growth if figures.growth > 0 else 0)
        if figures.cpu_ns >= 0:
            self.cpu.record(figures.cpu_ns)
        if figures.wait_ns >= 0:
            self.wait.record(figures.wait_ns)
        if figures.lookups:
            self.hits += figures.hits
            self.misses += figures.lookups - figures.hits
            _judge(self.good, self.bad, 1, hit)
        _judge(self.good, self.bad, 0, figures.duration_ns < latency_limit_ns)
        _judge(self.good, self.bad, 2, not figures.failed)
        _judge(self.good, self.bad, 3, figures.growth < memory_limit)
        if figures.slow:
            self.add_times(figures)
        if self.hits >= MOST_VALUE or self.misses >= MOST_VALUE:
            self.settle()
        return 0

    cdef int add_times(self, Figures *figures) except -1:
        """Add the time of a slow extraction by cause."""
        cdef Py_ssize_t i
        cdef bint much = False
        self.slow = True
        for i in range(len(self.causes)):
            self.times[i] += figures.causes[i]
            much = much or self.times[i] >= MOST_VALUE
        if much:
            self.settle_times()
        return 0

    cdef int settle_times(self) except -1:
        cdef Py_ssize_t i
        cdef dict times = self.series.causes
        self.slow = False
        for i in range(len(self.causes)):
            if self.times[i]:
                times[self.causes[i]] = times.get(self.causes[i], 0) + self.times[i]
                self.times[i] = 0
        return 0

    cdef int settle(self) except -1:
        """Bring the series up to date."""
        self.unsettled = False
        self.duration.settle()
        self.growth.settle()
        self.cpu.settle()
        self.wait.settle()
        if self.hits:
            self.series.cache_hits = self.series.cache_hits + self.hits
            self.hits = 0
        if self.misses:
            self.series.cache_misses = self.series.cache_misses + self.misses
            self.misses = 0
        if self.slow:
            self.settle_times()
        _settle(self.good, self.series.slo_good)
        _settle(self.bad, self.series.slo_bad)
        return 0


cdef inline void _judge(int *good, int *bad, int requirement, bint met) noexcept:
    if met:
        good[requirement] += 1
    else:
        bad[requirement] += 1


cdef int _settle(int *counts, list totals) except -1:
    cdef int i
    for i in range(REQUIREMENTS):
        if counts[i]:
            totals[i] = totals[i] + counts[i]
            counts[i] = 0
    return 0
