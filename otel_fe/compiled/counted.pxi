# What an extraction measured of itself, and counting it in its series.

cdef enum:
    REQUIREMENTS = 4  # latency, cache hits, errors, memory
    MOST_CAUSES = 32  # of slow extractions

cdef int64_t _MOST_VALUE = <int64_t>1 << 62  # this and more is unusual: two that are less can be added up


cdef struct Figures:  # what an extraction measured of itself
    int64_t duration_ns
    int64_t lookups
    int64_t hits
    int64_t growth
    int64_t wait_ns  # -1 where it did not wait
    int64_t cpu_ns  # -1 where it cannot be told
    bint failed
    bint slow  # it says where its time went
    int64_t causes[MOST_CAUSES]  # in ns; only where it says so
    Py_ssize_t size
    unsigned char key[KEY_BYTES]  # what its series is known by


@cython.final
@cython.no_gc
cdef class _Histogram:
    """A histogram of a series. In no cycle."""

    cdef object histogram
    cdef list buckets
    cdef _Edges edges
    cdef int64_t total  # what has been counted since the last `settle`
    cdef int64_t least  # of what has been counted here: the histogram's own may be less, and never becomes more
    cdef int64_t most

    def __cinit__(self, histogram, _Edges edges not None):
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
        if self.total >= _MOST_VALUE:
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
cdef class _Counted:
    """A series of extractions, and what is counted before it is brought up to date. In no cycle."""

    cdef object series
    cdef _Histogram duration
    cdef _Histogram growth
    cdef _Histogram cpu
    cdef _Histogram wait
    cdef bint unsettled
    cdef int64_t hits
    cdef int64_t misses
    cdef tuple causes  # their names
    cdef int64_t times[MOST_CAUSES]
    cdef bint slow  # whether there are any times
    cdef int good[REQUIREMENTS]
    cdef int bad[REQUIREMENTS]

    cdef int record(self, Figures *figures, int64_t latency_limit_ns, int64_t memory_limit) except -1:
        """Count an extraction; `Series.record` says how."""
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
            _tell(self.good, self.bad, 1, hit)
        _tell(self.good, self.bad, 0, figures.duration_ns < latency_limit_ns)
        _tell(self.good, self.bad, 2, not figures.failed)
        _tell(self.good, self.bad, 3, figures.growth < memory_limit)
        if figures.slow:
            self.add_times(figures)
        if self.hits >= _MOST_VALUE or self.misses >= _MOST_VALUE:
            self.settle()
        return 0

    cdef int add_times(self, Figures *figures) except -1:
        """Add where the time of a slow extraction went."""
        cdef Py_ssize_t i
        cdef bint much = False
        self.slow = True
        for i in range(len(self.causes)):
            self.times[i] += figures.causes[i]
            much = much or self.times[i] >= _MOST_VALUE
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


cdef inline void _tell(int *good, int *bad, int requirement, bint met) noexcept:
    if met:
        good[requirement] += 1
    else:
        bad[requirement] += 1


cdef int _settle(int *counts, list told) except -1:
    cdef int i
    for i in range(REQUIREMENTS):
        if counts[i]:
            told[i] = told[i] + counts[i]
            counts[i] = 0
    return 0
