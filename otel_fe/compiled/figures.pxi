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
        causes: By cause, the attribute that says how much time a slow extraction took for it; the last is what is left of it.
        latency_limit_ns: An extraction below it is good.
        memory_limit: In bytes; one that grows less is good.
    """

    cdef _Keys keys
    cdef _Keys time_keys
    cdef tuple causes
    cdef Py_ssize_t time_prefix  # in bytes: what the names of `time_keys` begin with
    cdef dict known
    cdef dict by_series
    cdef dict edges
    cdef Py_ssize_t held
    cdef int64_t latency_limit_ns
    cdef int64_t memory_limit

    def __cinit__(self, names, dict causes not None, latency_limit_ns, memory_limit):
        self.keys = _Keys(names)
        if self.keys.count != ATTRIBUTES:
            raise ValueError(f"{self.keys.count} names, not {ATTRIBUTES}")
        self.causes = tuple(causes)
        self.time_keys = _Keys(causes.values())
        if not 0 < self.time_keys.count <= MOST_CAUSES:
            raise ValueError(f"{self.time_keys.count} causes, not 1 to {MOST_CAUSES}")
        self.time_prefix = len(os.path.commonprefix(list(self.time_keys.encoded)))
        self.known = {}
        self.by_series = {}
        self.edges = {}
        self.held = 0
        self.latency_limit_ns = latency_limit_ns
        self.memory_limit = memory_limit

    def __dealloc__(self):
        global _remembered
        _remembered -= self.held

    cdef bint read(self, Span *span, Figures *figures) noexcept:
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
        return self.read_times(pairs, count, figures)

    cdef bint read_times(self, Pair *pairs, int count, Figures *figures) noexcept:
        """Read where the time of a slow extraction went, adding up to its duration; False where what it says is unusual."""
        cdef Pair *pair
        cdef Simple value
        cdef int64_t time_ns, left = figures.duration_ns
        cdef int i, last = self.time_keys.count - 1
        cdef bint any_time = False
        figures.slow = False
        for i in range(count):
            if pairs[i].key_size > self.time_prefix and not memcmp(pairs[i].key, self.time_keys.at[0], self.time_prefix):
                break
        else:
            return True
        for i in range(self.time_keys.count):
            pair = self.time_keys.find(i, pairs, count)
            time_ns = 0
            if pair != NULL:
                time_ns = _ns(_simple(pair.value, pair.value_size, &value), &value)
                if time_ns < 0:
                    return False
            any_time = any_time or time_ns > 0
            if i < last:
                figures.causes[i] = time_ns if time_ns < left else left
                left -= figures.causes[i]
        figures.causes[last] = left
        figures.slow = any_time
        return True

    cdef _Counted look(self, Figures *figures):
        """Return what is known of an extraction's series; None where that is nothing."""
        cdef PyObject *known
        key = PyBytes_FromStringAndSize(<const char *>figures.key, figures.size)
        known = PyDict_GetItem(self.known, key)
        return None if known == NULL else <_Counted>known

    cdef bint count(self, Span *span, list unsettled) except -1:
        """Count an extraction; False where that must be done the plain way: it is unusual, or of no known series.

        Args:
            span: The extraction's.
            unsettled: Takes what is to be settled in the end.
        """
        cdef Figures figures
        cdef _Counted found
        if not self.read(span, &figures):
            return False
        found = self.look(&figures)
        if found is None:
            return False
        if not found.unsettled:
            unsettled.append(found)
        found.record(&figures, self.latency_limit_ns, self.memory_limit)
        return True

    def find(self, span):
        """Return the series of an extraction; None where it is not known."""
        cdef Span told
        cdef Figures figures
        cdef _Counted found
        if not isinstance(span, Head) or not (<Head>span).tell(&told) or not self.read(&told, &figures):
            return None
        found = self.look(&figures)
        return None if found is None else found.series

    def learn(self, span, series):
        """Remember the series of an extraction, which stays its series from now on."""
        global _remembered
        cdef Span told
        cdef Figures figures
        cdef Py_ssize_t size
        cdef _Counted counted
        if not isinstance(span, Head) or not (<Head>span).tell(&told) or not self.read(&told, &figures):
            return
        if self.look(&figures) is not None:
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
        found.causes = self.causes
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


@cython.final
@cython.no_gc
cdef class _Counting:
    """Counts the extractions of one request."""

    cdef object metrics_of, told
    cdef object resource, metrics
    cdef Counter counter
    cdef list left  # metrics, and the spans that they must count the plain way; for each row of spans of one resource
    cdef list of_resource
    cdef list unsettled

    def __cinit__(self, metrics_of, told):
        self.metrics_of, self.told = metrics_of, told
        self.resource = self.metrics = self.counter = None
        self.left, self.of_resource, self.unsettled = [], None, []

    cdef bint turn(self, resource, state) except -1:
        """Turn to an extraction of a resource; False where somebody has counted it."""
        if state and self.told(state):
            return False
        if self.metrics is None or resource is not self.resource:
            self.resource = resource
            self.metrics = self.metrics_of(resource)
            self.counter = self.metrics.counter
            self.of_resource = None
        return True

    cdef bint count(self, Span *span) except -1:
        """Count it; False where it must be left."""
        return self.counter is not None and self.counter.count(span, self.unsettled)

    cdef int leave(self, span) except -1:
        if self.of_resource is None:
            self.of_resource = []
            self.left.append((self.metrics, self.of_resource))
        self.of_resource.append(span)
        return 0

    cdef int settle(self) except -1:
        cdef _Counted found
        for found in self.unsettled:
            found.unsettled = False  # should one fail, the others wait for the next request
        for found in self.unsettled:
            found.settle()
        return 0


def counted(spans, str word not None, metrics_of, told):
    """Count the extractions among spans which nobody has counted.

    Args:
        spans: Those of a batch, or any others.
        word: The name of an extraction's span, or what its name begins with, before a blank.
        metrics_of: Returns the `ReceivedMetrics` of a resource.
        told: Whether a `tracestate` says that somebody has counted the span.

    Returns:
        Metrics, and the spans that they must count the plain way.
    """
    cdef _Counting counting = _Counting(metrics_of, told)
    try:
        if isinstance(spans, Spans):
            _count_batch((<Spans>spans).batch, word.encode(), counting)
        else:
            _count(named(spans, word), counting)
    finally:
        counting.settle()
    return counting.left


cdef int _count_batch(Batch batch, bytes word, _Counting counting) except -1:
    cdef Py_ssize_t which, i
    cdef Group *group
    cdef Row *row
    cdef bytes payload = batch.payload
    for which in range(batch.groups_count):
        group = &batch.groups[which]
        i = group.first if group.count else -1
        while i >= 0:
            row = &batch.rows[i]
            if _is_named(&row.span, word) and counting.turn(batch.resource_of(row), batch.state_of(row)):
                if not counting.count(&row.span):
                    counting.leave(batch.head(row, batch.id_of(group)))
            i = row.next
    return 0


cdef int _count(list spans, _Counting counting) except -1:
    cdef Span span
    for each in spans:
        if counting.turn(each.resource, each.trace_state):
            if not isinstance(each, Head) or not (<Head>each).tell(&span) or not counting.count(&span):
                counting.leave(each)
    return 0


cdef inline bint _is_named(Span *span, bytes word) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(word)
    if span.name_size < size or memcmp(span.name, PyBytes_AS_STRING(word), size):
        return False
    return span.name_size == size or span.name[size] == b" "
