# Which series a span belongs to, and counting it there.


cdef class _Known:
    """A series, and where its durations are counted."""

    cdef object series
    cdef object aggregate  # with explicit edges; None for others
    cdef list buckets
    cdef int64_t *edges
    cdef int count

    def __cinit__(self, series):
        edges = getattr(series.aggregate, "edges", None)
        self.series = series
        self.aggregate = None
        self.edges = NULL
        if edges is not None:
            self.aggregate = series.aggregate
            self.buckets = self.aggregate.buckets
            self.count = len(edges)
            self.edges = <int64_t *>malloc((self.count + 1) * sizeof(int64_t))
            if self.edges == NULL:
                raise MemoryError
            for i in range(self.count):
                self.edges[i] = edges[i]

    def __dealloc__(self):
        free(self.edges)

    cdef record(self, int64_t duration_ns, object now_ns):
        cdef int low = 0, high = self.count, middle
        self.series.seen_ns = now_ns
        if self.aggregate is None:
            self.series.record(duration_ns, 1)
            return
        while low < high:
            middle = (low + high) // 2
            if self.edges[middle] < duration_ns:
                low = middle + 1
            else:
                high = middle
        self.buckets[low] = self.buckets[low] + 1
        self.aggregate.total_ns = self.aggregate.total_ns + duration_ns


cdef Py_ssize_t _remembered = 0


def remembered_bytes():
    """Return about how many bytes all finders hold."""
    return _remembered


cdef class Finder:
    """Knows series by what spans hold: name, kind, status and some attributes, all as they are encoded.

    Args:
        names: Of the attributes.
    """

    cdef _Keys keys
    cdef dict known
    cdef Py_ssize_t held

    def __init__(self, names):
        self.keys = _Keys(names)
        self.known = {}
        self.held = 0

    def __dealloc__(self):
        global _remembered
        _remembered -= self.held

    cdef bytes key(self, Head span):
        """Return what a span's series is known by; None where the span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef unsigned char key[KEY_BYTES]
        cdef Py_ssize_t size = 0
        cdef const char *name
        cdef int count, i
        count = _pairs_of(span, pairs)
        if count < 0:
            return None
        name = PyUnicode_AsUTF8AndSize(span.name, &size)
        if size > KEY_BYTES // 4:
            return None
        memcpy(key, name, size)
        key[size] = 0
        key[size + 1] = <unsigned char>span.kind
        key[size + 2] = <unsigned char>span.status
        size += 3
        for i in range(self.keys.count):
            pair = self.keys.find(i, pairs, count)
            if pair == NULL:
                if size + 2 > KEY_BYTES:
                    return None
                key[size] = key[size + 1] = 0xFF
                size += 2
                continue
            if pair.value_size >= 0xFF00 or size + 2 + pair.value_size > KEY_BYTES:
                return None
            key[size] = <unsigned char>(pair.value_size >> 8)
            key[size + 1] = <unsigned char>(pair.value_size & 0xFF)
            memcpy(key + size + 2, pair.value, pair.value_size)
            size += 2 + pair.value_size
        return PyBytes_FromStringAndSize(<const char *>key, size)

    def learn(self, span, series):
        """Remember the series of a span, of whatever kind that is."""
        global _remembered
        cdef Py_ssize_t size
        if not isinstance(span, Head):
            return
        key = self.key(<Head>span)
        if key is None or key in self.known:
            return
        size = len(key) + ABOUT_BYTES
        if _remembered + size <= MOST_BYTES:
            self.known[key] = _Known(series)
            self.held += size
            _remembered += size

    cdef _Known look(self, Head span):
        """Return what is known of a span's series; None where that is nothing."""
        cdef PyObject *known
        key = self.key(span)
        known = NULL if key is None else PyDict_GetItem(self.known, key)
        return None if known == NULL else <_Known>known

    def find(self, span):
        """Return the series of a span; None where it is not known."""
        known = self.look(<Head>span) if isinstance(span, Head) else None
        return None if known is None else (<_Known>known).series

    def clear(self):
        """Forget all; where series have gone."""
        global _remembered
        self.known.clear()
        _remembered -= self.held
        self.held = 0


def record(spans, dict sources not None, now_ns):
    """Count spans, and return those that must be counted the plain way.

    Args:
        spans: An iterable of them.
        sources: By resource. Of a source's `finders`, each counts every span; where they are None, spans are unusual.
        now_ns: Unix time.
    """
    cdef list left = [], all_known = []
    cdef Head span
    cdef PyObject *known
    cdef object source = None, resource = None
    cdef tuple finders = None
    cdef Finder finder
    cdef _Known found
    cdef int64_t duration_ns
    for each in spans:
        if not isinstance(each, Head):
            left.append(each)
            continue
        span = <Head>each
        if span.resource is not resource:
            resource = span.resource
            known = PyDict_GetItem(sources, resource)
            source = None if known == NULL else <object>known
            finders = None if source is None else source.finders
            if finders is not None:
                source.measured.seen_ns = now_ns
        if finders is None or span.trace_state or span.start_ns >> 63 or span.end_ns >> 63:
            left.append(span)
            continue
        duration_ns = <int64_t>span.end_ns - <int64_t>span.start_ns
        if duration_ns < 0:
            duration_ns = 0
        all_known.clear()
        for finder in finders:
            found = finder.look(span)
            if found is None:
                left.append(span)
                break
            all_known.append(found)
        else:
            for found in all_known:
                found.record(duration_ns, now_ns)
    return left
