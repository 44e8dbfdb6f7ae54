# Which series a span belongs to, and counting it there.


@cython.final
@cython.no_gc
cdef class _Edges:
    """What tells the buckets of a histogram apart."""

    cdef int64_t *at
    cdef int count

    def __cinit__(self, tuple edges not None):
        self.count = len(edges)
        self.at = <int64_t *>malloc((self.count + 1) * sizeof(int64_t))
        if self.at == NULL:
            raise MemoryError
        for i in range(self.count):
            self.at[i] = edges[i]

    def __dealloc__(self):
        free(self.at)

    cdef inline int bucket(self, int64_t value) noexcept:
        """Return which one a value is in; an edge belongs to the bucket below it."""
        cdef int low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if self.at[middle] < value:
                low = middle + 1
            else:
                high = middle
        return low


cdef class _Known:
    """A series, and the durations of a request that are not yet counted in it."""

    cdef bytes key  # what it is known by
    cdef object series
    cdef object aggregate  # with explicit edges; None for others
    cdef _Edges edges
    cdef int64_t *counts  # by bucket
    cdef int64_t total_ns
    cdef bint waiting  # whether anything is to be counted

    def __cinit__(self, bytes key, series):
        edges = getattr(series.aggregate, "edges", None)
        self.key = key
        self.series = series
        self.aggregate = None
        self.counts = NULL
        self.total_ns = 0
        self.waiting = False
        if edges is not None:
            self.aggregate = series.aggregate
            self.edges = _Edges(edges)
            self.counts = <int64_t *>calloc(self.edges.count + 1, sizeof(int64_t))
            if self.counts == NULL:
                raise MemoryError

    def __dealloc__(self):
        free(self.counts)

    cdef Py_ssize_t counts_bytes(self) noexcept:
        """Return what the counts and their edges take."""
        return 0 if self.aggregate is None else 2 * sizeof(int64_t) * (self.edges.count + 1)

    cdef int add(self, int64_t duration_ns) except -1:
        """Count a span, now or when `settle` is called."""
        if self.aggregate is None:
            self.series.record(duration_ns, 1)
            return 0
        if duration_ns > MOST_NS - self.total_ns:
            self.settle()
        self.counts[self.edges.bucket(duration_ns)] += 1
        self.total_ns += duration_ns
        return 0

    cdef int settle(self) except -1:
        cdef int i
        cdef list buckets
        if self.aggregate is None:
            return 0
        buckets = self.aggregate.buckets
        if len(buckets) <= self.edges.count:
            raise ValueError(f"{len(buckets)} buckets, and {self.edges.count} edges")
        for i in range(self.edges.count + 1):
            if self.counts[i]:
                buckets[i] = buckets[i] + self.counts[i]
                self.counts[i] = 0
        self.aggregate.total_ns = self.aggregate.total_ns + self.total_ns
        self.total_ns = 0
        return 0


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
    cdef list last  # some of them, of the last spans: those that stand together are mostly alike
    cdef int oldest
    cdef Py_ssize_t held

    def __cinit__(self, names):
        self.keys = _Keys(names)
        self.known = {}
        self.last = []
        self.oldest = 0
        self.held = 0

    def __dealloc__(self):
        global _remembered
        _remembered -= self.held

    cdef Py_ssize_t write_key(self, Span *span, unsigned char *key) noexcept:
        """Write what a span's series is known by, which is less than `KEY_BYTES`; return its size, -1 where the span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Py_ssize_t size = span.name_size
        cdef int count = _pairs_of(span, pairs), i
        if count < 0 or size > KEY_BYTES // 4:
            return -1
        key[0] = <unsigned char>(size >> 8)  # its end is told by its size: there may be any byte in it
        key[1] = <unsigned char>(size & 0xFF)
        memcpy(key + 2, span.name, size)
        key[size + 2] = <unsigned char>span.kind
        key[size + 3] = <unsigned char>span.status
        size += 4
        for i in range(self.keys.count):
            pair = self.keys.find(i, pairs, count)
            if pair == NULL:
                if size + 2 > KEY_BYTES:
                    return -1
                key[size] = key[size + 1] = 0xFF
                size += 2
                continue
            if pair.value_size >= 0xFF00 or size + 2 + pair.value_size > KEY_BYTES:
                return -1
            key[size] = <unsigned char>(pair.value_size >> 8)
            key[size + 1] = <unsigned char>(pair.value_size & 0xFF)
            memcpy(key + size + 2, pair.value, pair.value_size)
            size += 2 + pair.value_size
        return size

    def learn(self, span, series):
        """Remember the series of a span, of whatever kind that is."""
        global _remembered
        cdef unsigned char written[KEY_BYTES]
        cdef Span told
        cdef Py_ssize_t size
        cdef _Known known
        if not isinstance(span, Head) or not (<Head>span).tell(&told):
            return
        size = self.write_key(&told, written)
        if size < 0:
            return
        key = PyBytes_FromStringAndSize(<const char *>written, size)
        if key in self.known or _remembered + size + ABOUT_BYTES > MOST_BYTES:
            return
        known = _Known(key, series)
        size += ABOUT_BYTES + known.counts_bytes()
        if _remembered + size <= MOST_BYTES:
            self.known[key] = known
            self.held += size
            _remembered += size

    cdef _Known look(self, Span *span):
        """Return what is known of a span's series; None where that is nothing."""
        cdef unsigned char key[KEY_BYTES]
        cdef Py_ssize_t size = self.write_key(span, key)
        cdef PyObject *known
        cdef _Known found
        if size < 0:
            return None
        for found in self.last:
            if PyBytes_GET_SIZE(found.key) == size and not memcmp(PyBytes_AS_STRING(found.key), key, size):
                return found
        known = PyDict_GetItem(self.known, PyBytes_FromStringAndSize(<const char *>key, size))
        if known == NULL:
            return None
        found = <_Known>known
        if len(self.last) < LAST_SERIES:
            self.last.append(found)
        else:
            self.last[self.oldest] = found
            self.oldest = (self.oldest + 1) % LAST_SERIES
        return found

    def find(self, span):
        """Return the series of a span; None where it is not known."""
        cdef Span told
        if not isinstance(span, Head) or not (<Head>span).tell(&told):
            return None
        known = self.look(&told)
        return None if known is None else (<_Known>known).series

    def clear(self):
        """Forget all; where series have gone."""
        global _remembered
        self.known.clear()
        self.last.clear()
        self.oldest = 0
        _remembered -= self.held
        self.held = 0


@cython.final
@cython.no_gc
cdef class _Round:
    """Counts the spans of one request.

    Args:
        sources: By resource. Of a source's `finders`, each counts every span; where they are None, spans are unusual.
        now_ns: Monotonic time.
    """

    cdef dict sources
    cdef object now_ns, resource
    cdef tuple finders  # of the resource
    cdef list found  # of the span
    cdef list waiting

    def __cinit__(self, dict sources not None, now_ns):
        self.sources, self.now_ns, self.resource, self.finders = sources, now_ns, None, None
        self.found, self.waiting = [], []

    cdef int turn(self, resource) except -1:
        """Turn to the spans of a resource."""
        if resource is not self.resource:
            self.resource = resource
            source = self.sources.get(resource)
            self.finders = None if source is None else source.finders
            if self.finders is not None and self.now_ns is not None:
                source.measured.seen_ns = self.now_ns
        return 0

    cdef bint look(self, Span *span) except -1:
        """Look for the series of a span in all finders; False where one of them is not known, or the span is unusual.

        Nobody is called here, so that what was written down of the span is still there.
        """
        cdef Finder finder
        if self.finders is None or span.state_size or span.start_ns >> 63 or span.end_ns >> 63:
            return False
        self.found.clear()
        for finder in self.finders:
            found = finder.look(span)
            if found is None:
                return False
            self.found.append(found)
        return True

    cdef bint count(self, Span *span) except -1:
        """Count a span; False where that must be done the plain way."""
        cdef _Known found
        if not self.look(span):
            return False
        for found in self.found:
            if not found.waiting:
                self.waiting.append(found)
                found.waiting = True
            found.add(_lasted(span))
        return True

    cdef int settle(self) except -1:
        cdef _Known found
        for found in self.waiting:
            found.waiting = False
        for found in self.waiting:
            found.series.seen_ns = self.now_ns
            found.settle()
        return 0


def record(spans, dict sources not None, now_ns):
    """Count spans, and return those that must be counted the plain way.

    Args:
        spans: Those of a batch, or any others.
        sources: As for `_Round`.
        now_ns: Monotonic time.
    """
    cdef _Round counting = _Round(sources, now_ns)
    cdef list left = []
    try:
        if isinstance(spans, Spans):
            _record_batch((<Spans>spans).batch, counting, left)
        else:
            _record(spans, counting, left)
    finally:
        counting.settle()
    return left


cdef int _record_batch(Batch batch, _Round counting, list left) except -1:
    cdef Py_ssize_t which, i
    cdef Group *group
    cdef Row *row
    cdef bytes payload = batch.payload
    for which in range(batch.groups_count):
        group = &batch.groups[which]
        i = group.first if group.count else -1
        while i >= 0:
            row = &batch.rows[i]
            counting.turn(batch.resource_of(row))
            if not counting.count(&row.span):
                left.append(batch.head(row, batch.id_of(group)))
            i = row.next
    return 0


cdef int _record(spans, _Round counting, list left) except -1:
    cdef Span told
    for span in spans:
        if isinstance(span, Head):
            counting.turn((<Head>span).resource)
            if (<Head>span).tell(&told) and counting.count(&told):
                continue
        left.append(span)
    return 0


cdef inline int64_t _lasted(Span *span) noexcept:
    return <int64_t>(span.end_ns - span.start_ns) if span.end_ns > span.start_ns else 0


def drawn(spans, dict sources not None, draw):
    """Offer spans as exemplars.

    Args:
        spans: Of kept traces.
        sources: As for `_Round`.
        draw: Returns a random integer from 0 to its argument less one.

    Returns:
        Those that must be offered the plain way; and for each that is drawn its series, its bucket, its duration and itself.
    """
    cdef list left = [], chosen = []
    cdef _Round looking = _Round(sources, None)
    cdef Span told
    cdef _Known found
    cdef int bucket
    for span in spans:
        if isinstance(span, Head):
            looking.turn((<Head>span).resource)
        if not isinstance(span, Head) or not (<Head>span).tell(&told) or not looking.look(&told):
            left.append(span)
            continue
        for found in looking.found:
            if found.aggregate is None:
                bucket = found.series.aggregate.bucket(_lasted(&told))
            else:
                bucket = found.edges.bucket(_lasted(&told))
            if found.series.reservoir.draws(bucket, draw):
                chosen.append((found.series, bucket, _lasted(&told), span))
    return left, chosen
