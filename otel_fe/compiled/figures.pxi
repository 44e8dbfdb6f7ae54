# Which series an extraction belongs to, by what its span says.

cdef enum:
    FEATURE_SET  # the attributes, in the order in which `Counter` is told their names
    LIBRARY
    ERROR_TYPE
    LOOKUPS
    HITS
    GROWTH
    LOOKING_UP  # which no metric is made of
    WAIT
    CPU
    ATTRIBUTES
    SERIES_BYTES = 320  # about what remembering a series takes beside its keys


cdef class Counter:
    """Counts extractions in series that it knows by what their spans hold, all as it is encoded.

    Not thread-safe, and does without the locks of series: whoever counts holds one of his own, also while he reads them.

    Args:
        names: Of the attributes, in the order of the enumeration above.
        latency_limit_ns: An extraction below it is good.
        memory_limit: In bytes; one that grows less is good.
    """

    cdef _Keys keys
    cdef dict known
    cdef dict by_series
    cdef dict edges
    cdef Py_ssize_t held
    cdef int64_t latency_limit_ns
    cdef int64_t memory_limit

    def __cinit__(self, names, latency_limit_ns, memory_limit):
        self.keys = _Keys(names)
        if self.keys.count != ATTRIBUTES:
            raise ValueError(f"{self.keys.count} names, not {ATTRIBUTES}")
        self.known = {}
        self.by_series = {}
        self.edges = {}
        self.held = 0
        self.latency_limit_ns = latency_limit_ns
        self.memory_limit = memory_limit

    def __dealloc__(self):
        global _remembered
        _remembered -= self.held

    cdef bint read(self, Head span, Figures *figures) noexcept:
        """Read what a span says; False where it is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Simple value
        cdef int64_t time_ns
        cdef int count = _pairs_of(span, pairs), i, kind
        if count < 0:
            return False
        figures.duration_ns = 0
        if span.end_ns > span.start_ns:
            if span.end_ns - span.start_ns >= <uint64_t>_MOST_VALUE:
                return False
            figures.duration_ns = <int64_t>(span.end_ns - span.start_ns)
        figures.lookups = figures.hits = figures.growth = 0
        figures.wait_ns = figures.cpu_ns = -1
        figures.failed = False
        figures.size = 1
        for i in range(ATTRIBUTES):
            if i == LOOKING_UP:
                continue
            kind = OTHER
            pair = self.keys.find(i, pairs, count)
            if pair != NULL:
                kind = _simple(pair.value, pair.value_size, &value)
                if kind == OTHER:
                    return False
            if i <= ERROR_TYPE:
                if not _add_text(figures, kind, &value):
                    return False
                figures.failed = i == ERROR_TYPE and kind == TEXT and value.size > 0
            elif kind == OTHER:
                continue
            elif i >= WAIT:
                time_ns = _ns(kind, &value)
                if time_ns < 0:
                    return False
                if i == WAIT:
                    figures.wait_ns = time_ns
                else:
                    figures.cpu_ns = time_ns
            elif kind == WHOLE:
                if value.whole >= _MOST_VALUE or value.whole < 0 and i != GROWTH:
                    return False
                if i == LOOKUPS:
                    figures.lookups = value.whole
                elif i == HITS:
                    figures.hits = value.whole
                else:
                    figures.growth = value.whole
        if figures.hits > figures.lookups:
            figures.hits = figures.lookups
        figures.key[0] = 2 if not figures.lookups else figures.hits == figures.lookups
        return True

    cdef _Counted look(self, Figures *figures):
        """Return what is known of an extraction's series; None where that is nothing."""
        cdef PyObject *known
        key = PyBytes_FromStringAndSize(<const char *>figures.key, figures.size)
        known = PyDict_GetItem(self.known, key)
        return None if known == NULL else <_Counted>known

    def count(self, list spans not None):
        """Count extractions, and return those that must be counted the plain way: unusual ones, and those of no known series."""
        cdef Figures figures
        cdef _Counted found
        cdef list left = [], unsettled = []
        try:
            for span in spans:
                found = self.look(&figures) if isinstance(span, Head) and self.read(<Head>span, &figures) else None
                if found is None:
                    left.append(span)
                    continue
                if not found.unsettled:
                    unsettled.append(found)
                found.record(&figures, self.latency_limit_ns, self.memory_limit)
        finally:
            for found in unsettled:
                found.settle()
        return left

    def find(self, span):
        """Return the series of an extraction; None where it is not known."""
        cdef Figures figures
        cdef _Counted found
        if not isinstance(span, Head) or not self.read(<Head>span, &figures):
            return None
        found = self.look(&figures)
        return None if found is None else found.series

    def learn(self, span, series):
        """Remember the series of an extraction, which stays its series from now on."""
        global _remembered
        cdef Figures figures
        cdef Py_ssize_t size
        cdef _Counted counted
        if not isinstance(span, Head) or not self.read(<Head>span, &figures) or self.look(&figures) is not None:
            return
        counted = self.by_series.get(series)
        size = figures.size + ABOUT_BYTES + (SERIES_BYTES if counted is None else 0)
        if _remembered + size > MOST_BYTES:
            return
        if counted is None:
            counted = self.by_series[series] = self.counted(series)
        self.known[PyBytes_FromStringAndSize(<const char *>figures.key, figures.size)] = counted
        self.held += size
        _remembered += size

    cdef _Counted counted(self, series):
        cdef _Counted found = _Counted()
        found.series = series
        found.duration = self.histogram(series.duration)
        found.growth = self.histogram(series.memory_growth)
        found.cpu = self.histogram(series.cpu_time)
        found.wait = self.histogram(series.pool_wait)
        return found

    cdef _Histogram histogram(self, histogram):
        edges = histogram.edges
        if edges not in self.edges:
            self.edges[edges] = _Edges(edges)
        return _Histogram(histogram, self.edges[edges])


cdef inline bint _add_text(Figures *figures, int kind, Simple *text) noexcept:
    """Add a text to the key, an empty one for what is none; False where it has no room."""
    cdef Py_ssize_t size = text.size if kind == TEXT else 0
    if figures.size + 2 + size > KEY_BYTES:
        return False
    figures.key[figures.size] = <unsigned char>(size >> 8)
    figures.key[figures.size + 1] = <unsigned char>(size & 0xFF)
    figures.size += 2
    if size:
        memcpy(figures.key + figures.size, text.text, size)
        figures.size += size
    return True
