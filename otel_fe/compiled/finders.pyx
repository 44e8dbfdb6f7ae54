"""Finding the series of a span by what is encoded in it, and the durations that wait to be added to a series."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from otel_fe.compiled.attributes cimport MOST_PAIRS, TEXT, TRUTH, WHOLE, Keys, Pair, Simple, pairs_of, simple_value
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


cdef class Known:
    """A series, and the durations of a request that have not been added to it yet."""

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

    A span whose bytes are new is found by its key, if its values are plain: values that never come twice would fill the memory.

    Args:
        names: The names of the attributes.
        fallbacks: For each the text that stands for it where a span has none.
        find_by_key: Given a key (`SpanDimensions.plain_key`), returns the series that spans with it are counted in now, None if there
            is none yet; and whether it is that of this key alone, so that it may be learned. None to find series by bytes alone.
    """

    def __cinit__(self, names, fallbacks=None, find_by_key=None):
        self.keys = Keys(names)
        self.fallbacks = None if fallbacks is None else tuple(fallbacks)
        if find_by_key is not None and (self.fallbacks is None or len(self.fallbacks) != self.keys.count):
            raise ValueError(f"{self.keys.count} names, and the fallbacks {fallbacks!r}")
        self.find_by_key = find_by_key
        self.last_unlearned = None
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
        if not isinstance(span, Head) or not (<Head>span).fill(&fields):
            return
        size = self.write_key(&fields, written)
        if size >= 0:
            self.remember(PyBytes_FromStringAndSize(<const char *>written, size), series)

    cdef Known remember(self, bytes key, series):
        """Return what is known of a series from now on, while there is room to remember it."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(key) + ABOUT_BYTES
        cdef Known known
        if key in self.known or _remembered + size > MOST_BYTES:
            return None
        known = Known(key, series)
        size += known.counts_bytes()
        if not reserve(size):
            return None
        self.held += size
        self.known[key] = known
        return known

    cdef Known look(self, Span *span):
        """Return what is known of a span's series; None if it is not known. The span must outlive calls to `find_by_key`."""
        cdef unsigned char key[KEY_BYTES]
        cdef Py_ssize_t size = self.write_key(span, key)
        cdef PyObject *known
        cdef Known found
        if size < 0:
            return None
        for found in self.last:
            if PyBytes_GET_SIZE(found.key) == size and not memcmp(PyBytes_AS_STRING(found.key), key, size):
                return found
        encoded = PyBytes_FromStringAndSize(<const char *>key, size)
        known = PyDict_GetItem(self.known, encoded)
        if known == NULL:
            return None if self.find_by_key is None else self.look_by_key(span, encoded)
        found = <Known>known
        if len(self.last) < LAST_SERIES:
            self.last.append(found)
        else:
            self.last[self.oldest] = found
            self.oldest = (self.oldest + 1) % LAST_SERIES
        return found

    cdef Known look_by_key(self, Span *span, bytes encoded):
        """Return the series of a span whose bytes are new; None if it has none yet, or has a value that is not plain."""
        cdef Known found
        key = self.key_of(span)
        if key is None:
            return None
        series, alone = self.find_by_key(key)
        if series is None:
            return None
        if alone:
            found = self.remember(encoded, series)
            return Known(encoded, series) if found is None else found
        if self.last_unlearned is None or self.last_unlearned.series is not series:
            self.last_unlearned = Known(b"", series)
        return self.last_unlearned

    cdef tuple key_of(self, Span *span):
        """Return the key of a span as `SpanDimensions.plain_key` does; None if a value is not plain."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Simple value
        cdef int count = pairs_of(span, pairs), i, kind
        cdef list key
        try:
            key = [PyUnicode_DecodeUTF8(<const char *>span.name, span.name_size, NULL), span.kind, span.status]
            for i in range(self.keys.count):
                pair = self.keys.find(i, pairs, count)
                if pair == NULL:
                    key.append(self.fallbacks[i])
                    continue
                kind = simple_value(pair.value, pair.value_size, &value)
                if kind == TEXT:
                    key.append(PyUnicode_DecodeUTF8(<const char *>value.text, value.size, NULL))
                elif kind == WHOLE:
                    key.append(str(value.whole))
                elif kind == TRUTH:
                    key.append("true" if value.whole else "false")
                else:
                    return None
        except UnicodeDecodeError:
            return None
        return tuple(key)

    def find(self, span):
        """Return the series of a span; None if it is not known."""
        cdef Span fields
        if not isinstance(span, Head) or not (<Head>span).fill(&fields):
            return None
        known = self.look(&fields)
        return None if known is None else (<Known>known).series

    def clear(self):
        """Forget all series, some of which have expired."""
        self.known.clear()
        self.last.clear()
        self.last_unlearned = None
        self.oldest = 0
        give_back(self.held)
        self.held = 0
