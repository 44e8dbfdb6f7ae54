"""Series of span metrics: finding those of a span, counting it there, and drawing exemplars."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from otel_fe.compiled.attributes cimport MOST_PAIRS, Keys, Pair, pairs_of
from otel_fe.compiled.batches cimport Batch, Group, Row, Spans
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    LAST_SERIES = 8

cdef int64_t MOST_NS = 2**62  # durations that are summed before they are added to an integer of Python


@cython.final
@cython.no_gc
cdef class Edges:
    """The edges between a histogram's buckets."""

    def __cinit__(self, tuple edges not None):
        self.count = len(edges)
        self.at = <int64_t *>malloc((self.count + 1) * sizeof(int64_t))
        if self.at == NULL:
            raise MemoryError
        for i in range(self.count):
            self.at[i] = edges[i]

    def __dealloc__(self):
        free(self.at)


cdef class _Known:
    """A series, and the durations of a request that have not been added to it yet."""

    cdef bytes key
    cdef object series
    cdef object aggregate  # a histogram with explicit edges; None for any other
    cdef Edges edges
    cdef int64_t *counts  # by bucket
    cdef int64_t total_ns
    cdef bint waiting  # whether there are any

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
            self.edges = Edges(edges)
            self.counts = <int64_t *>calloc(self.edges.count + 1, sizeof(int64_t))
            if self.counts == NULL:
                raise MemoryError

    def __dealloc__(self):
        free(self.counts)

    cdef Py_ssize_t counts_bytes(self) noexcept:
        """Return the size of the counts and their edges."""
        return 0 if self.aggregate is None else 2 * sizeof(int64_t) * (self.edges.count + 1)

    cdef int add(self, int64_t duration_ns) except -1:
        """Count a span; its series has it after `settle`."""
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


cdef bint reserve(Py_ssize_t size) noexcept:
    """Count bytes that a finder or a counter is about to hold; return False, and count nothing, if all hold too much then."""
    global _remembered
    if _remembered + size > MOST_BYTES:
        return False
    _remembered += size
    return True


cdef void give_back(Py_ssize_t size) noexcept:
    """Count bytes that were reserved as free."""
    global _remembered
    _remembered -= size


def remembered_bytes():
    """Return about how many bytes all finders and counters hold."""
    return _remembered


cdef class Finder:
    """Finds series by name, kind, status and some attributes of a span, all as they are encoded.

    Args:
        names: The names of the attributes.
    """

    cdef Keys keys
    cdef dict known
    cdef list last  # those of the last spans: consecutive spans are mostly alike
    cdef int oldest
    cdef Py_ssize_t held

    def __cinit__(self, names):
        self.keys = Keys(names)
        self.known = {}
        self.last = []
        self.oldest = 0
        self.held = 0

    def __dealloc__(self):
        give_back(self.held)

    cdef Py_ssize_t write_key(self, Span *span, unsigned char *key) noexcept:
        """Write the key of a span's series, of at most `KEY_BYTES`; return its size, -1 if the span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Py_ssize_t size = span.name_size
        cdef int count = pairs_of(span, pairs), i
        if count < 0 or size > KEY_BYTES // 4:
            return -1
        key[0] = <unsigned char>(size >> 8)  # with its size, since it may contain any byte
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
        """Remember the series of a span."""
        cdef unsigned char written[KEY_BYTES]
        cdef Span fields
        cdef Py_ssize_t size
        cdef _Known known
        if not isinstance(span, Head) or not (<Head>span).fill(&fields):
            return
        size = self.write_key(&fields, written)
        if size < 0:
            return
        key = PyBytes_FromStringAndSize(<const char *>written, size)
        if key in self.known or _remembered + size + ABOUT_BYTES > MOST_BYTES:
            return
        known = _Known(key, series)
        size += ABOUT_BYTES + known.counts_bytes()
        if reserve(size):
            self.held += size
            self.known[key] = known

    cdef _Known look(self, Span *span):
        """Return what is known of a span's series; None if it is not known."""
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
        """Return the series of a span; None if it is not known."""
        cdef Span fields
        if not isinstance(span, Head) or not (<Head>span).fill(&fields):
            return None
        known = self.look(&fields)
        return None if known is None else (<_Known>known).series

    def clear(self):
        """Forget all series, some of which have expired."""
        self.known.clear()
        self.last.clear()
        self.oldest = 0
        give_back(self.held)
        self.held = 0


@cython.final
@cython.no_gc
cdef class _Round:
    """Counts the spans of one request.

    Args:
        sources: Sources by resource. Each of a source's `finders` counts every span; None makes its spans unusual.
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
        """Find the series of a span in all finders; return False if one is not known, or the span is unusual.

        There are no callbacks here, so that `span` stays valid.
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
        """Count a span; return False if that is left to Python."""
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
    """Count spans, and return those left to Python.

    Args:
        spans: The `Spans` of a batch, or any other spans.
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
    cdef Span fields
    for span in spans:
        if isinstance(span, Head):
            counting.turn((<Head>span).resource)
            if (<Head>span).fill(&fields) and counting.count(&fields):
                continue
        left.append(span)
    return 0


cdef inline int64_t _lasted(Span *span) noexcept:
    return <int64_t>(span.end_ns - span.start_ns) if span.end_ns > span.start_ns else 0


def drawn(spans, dict sources not None, draw):
    """Offer spans as exemplars.

    Args:
        spans: Spans of kept traces.
        sources: As for `_Round`.
        draw: Returns a random integer from 0 to its argument less one.

    Returns:
        Those left to Python; and for each that is drawn its series, its bucket, its duration and itself.
    """
    cdef list left = [], chosen = []
    cdef _Round looking = _Round(sources, None)
    cdef Span fields
    cdef _Known found
    cdef int bucket
    for span in spans:
        if isinstance(span, Head):
            looking.turn((<Head>span).resource)
        if not isinstance(span, Head) or not (<Head>span).fill(&fields) or not looking.look(&fields):
            left.append(span)
            continue
        for found in looking.found:
            if found.aggregate is None:
                bucket = found.series.aggregate.bucket(_lasted(&fields))
            else:
                bucket = found.edges.bucket(_lasted(&fields))
            if found.series.reservoir.draws(bucket, draw):
                chosen.append((found.series, bucket, _lasted(&fields), span))
    return left, chosen
