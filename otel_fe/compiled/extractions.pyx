"""Extractions of a request: finding the series of each by the attributes of its span, and counting it there."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from otel_fe.compiled.attributes cimport MOST_PAIRS, OTHER, TEXT, WHOLE, Keys, Pair, Simple, ns_of, pairs_of, simple_value
from otel_fe.compiled.batches cimport Batch, Group, Row, Spans
from otel_fe.compiled.extraction_series cimport MOST_CAUSES, MOST_VALUE, CountedSeries, Figures, Histogram
from otel_fe.compiled.finders cimport ABOUT_BYTES, KEY_BYTES, Edges, give_back, reserve
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span

import os

from otel_fe.compiled.attributes import named

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    FEATURE_SET  # the attributes, in the order of the names that `Counter` takes
    LIBRARY
    ERROR_TYPE
    LOOKUPS
    HITS
    GROWTH
    LOOKING_UP  # of which there is no metric
    WAIT
    CPU
    ATTRIBUTES
    SERIES_BYTES = 320  # about, that remembering a series takes beside its keys


cdef class Counter:
    """Counts extractions in series, which it finds by attributes as they are encoded.

    Not thread-safe, and takes no locks of series: the caller holds one of its own, for reading them as well.

    Args:
        names: The names of the attributes, in the order of the enumeration above.
        causes: By cause, the attribute with the time that a slow extraction spent on it; the last is the rest of its duration.
        latency_limit_ns: An extraction below it is good.
        memory_limit: In bytes; one that grows less is good.
    """

    cdef Keys keys
    cdef Keys time_keys
    cdef tuple causes
    cdef Py_ssize_t time_prefix  # in bytes: what the names of `time_keys` begin with
    cdef dict known
    cdef dict by_series
    cdef dict edges
    cdef Py_ssize_t held
    cdef int64_t latency_limit_ns
    cdef int64_t memory_limit

    def __cinit__(self, names, dict causes not None, latency_limit_ns, memory_limit):
        self.keys = Keys(names)
        if self.keys.count != ATTRIBUTES:
            raise ValueError(f"{self.keys.count} names, not {ATTRIBUTES}")
        self.causes = tuple(causes)
        self.time_keys = Keys(causes.values())
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
        give_back(self.held)

    cdef bint read(self, Span *span, Figures *figures) noexcept:
        """Read the measurements on a span; return False if it is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Simple value
        cdef int64_t time_ns
        cdef int count = pairs_of(span, pairs), i, kind
        if count < 0:
            return False
        figures.duration_ns = 0
        if span.end_ns > span.start_ns:
            if span.end_ns - span.start_ns >= <uint64_t>MOST_VALUE:
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
                kind = simple_value(pair.value, pair.value_size, &value)
                if kind == OTHER:
                    return False
            if i <= ERROR_TYPE:
                if not _add_text(figures, kind, &value):
                    return False
                figures.failed = i == ERROR_TYPE and kind == TEXT and value.size > 0
            elif kind == OTHER:
                continue
            elif i >= WAIT:
                time_ns = ns_of(kind, &value)
                if time_ns < 0:
                    return False
                if i == WAIT:
                    figures.wait_ns = time_ns
                else:
                    figures.cpu_ns = time_ns
            elif kind == WHOLE:
                if value.whole >= MOST_VALUE or value.whole < 0 and i != GROWTH:
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
        """Read the time of a slow extraction by cause, adding up to its duration; return False if a value is unusual."""
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
                time_ns = ns_of(simple_value(pair.value, pair.value_size, &value), &value)
                if time_ns < 0:
                    return False
            any_time = any_time or time_ns > 0
            if i < last:
                figures.causes[i] = time_ns if time_ns < left else left
                left -= figures.causes[i]
        figures.causes[last] = left
        figures.slow = any_time
        return True

    cdef CountedSeries look(self, Figures *figures):
        """Return the series of an extraction; None if it is not known."""
        cdef PyObject *known
        key = PyBytes_FromStringAndSize(<const char *>figures.key, figures.size)
        known = PyDict_GetItem(self.known, key)
        return None if known == NULL else <CountedSeries>known

    cdef bint count(self, Span *span, list unsettled) except -1:
        """Count an extraction; return False if that is left to Python: it is unusual, or its series is not known.

        Args:
            span: The span of the extraction.
            unsettled: Receives the series that must be settled in the end.
        """
        cdef Figures figures
        cdef CountedSeries found
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
        """Return the series of an extraction; None if it is not known."""
        cdef Span fields
        cdef Figures figures
        cdef CountedSeries found
        if not isinstance(span, Head) or not (<Head>span).fill(&fields) or not self.read(&fields, &figures):
            return None
        found = self.look(&figures)
        return None if found is None else found.series

    def learn(self, span, series):
        """Remember the series of an extraction, for good."""
        cdef Span fields
        cdef Figures figures
        cdef Py_ssize_t size
        cdef CountedSeries counted
        if not isinstance(span, Head) or not (<Head>span).fill(&fields) or not self.read(&fields, &figures):
            return
        if self.look(&figures) is not None:
            return
        counted = self.by_series.get(series)
        size = figures.size + ABOUT_BYTES + (SERIES_BYTES if counted is None else 0)
        if not reserve(size):
            return
        self.held += size
        if counted is None:
            counted = self.by_series[series] = self.counted(series)
        self.known[PyBytes_FromStringAndSize(<const char *>figures.key, figures.size)] = counted

    cdef CountedSeries counted(self, series):
        cdef CountedSeries found = CountedSeries()
        found.series = series
        found.duration = self.histogram(series.duration)
        found.growth = self.histogram(series.memory_growth)
        found.cpu = self.histogram(series.cpu_time)
        found.wait = self.histogram(series.pool_wait)
        found.causes = self.causes
        return found

    cdef Histogram histogram(self, histogram):
        edges = histogram.edges
        if edges not in self.edges:
            self.edges[edges] = Edges(edges)
        return Histogram(histogram, self.edges[edges])


cdef inline bint _add_text(Figures *figures, int kind, Simple *text) noexcept:
    """Add a text to the key, an empty one for any other value; return False if there is no room."""
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

    cdef object metrics_of, is_counted
    cdef object resource, metrics
    cdef Counter counter
    cdef list left  # metrics with the spans left to them, for each run of spans of one resource
    cdef list of_resource
    cdef list unsettled

    def __cinit__(self, metrics_of, is_counted):
        self.metrics_of, self.is_counted = metrics_of, is_counted
        self.resource = self.metrics = self.counter = None
        self.left, self.of_resource, self.unsettled = [], None, []

    cdef bint turn(self, resource, state) except -1:
        """Turn to an extraction of a resource; return False if another service has counted it."""
        if state and self.is_counted(state):
            return False
        if self.metrics is None or resource is not self.resource:
            self.resource = resource
            self.metrics = self.metrics_of(resource)
            self.counter = self.metrics.counter
            self.of_resource = None
        return True

    cdef bint count(self, Span *span) except -1:
        """Count it; return False if it is left to Python."""
        return self.counter is not None and self.counter.count(span, self.unsettled)

    cdef int leave(self, span) except -1:
        if self.of_resource is None:
            self.of_resource = []
            self.left.append((self.metrics, self.of_resource))
        self.of_resource.append(span)
        return 0

    cdef int settle(self) except -1:
        cdef CountedSeries found
        for found in self.unsettled:
            found.unsettled = False  # should one fail, the others wait for the next request
        for found in self.unsettled:
            found.settle()
        return 0


def counted(spans, str word not None, metrics_of, is_counted):
    """Count the extractions among spans, but for those that another service has counted.

    Args:
        spans: The `Spans` of a batch, or any other spans.
        word: The name of an extraction's span, or its first word.
        metrics_of: Returns the `ReceivedMetrics` of a resource.
        is_counted: Returns whether a `tracestate` says that the span has been counted.

    Returns:
        Metrics with the spans that they must count in Python.
    """
    cdef _Counting counting = _Counting(metrics_of, is_counted)
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
            if not isinstance(each, Head) or not (<Head>each).fill(&span) or not counting.count(&span):
                counting.leave(each)
    return 0


cdef inline bint _is_named(Span *span, bytes word) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(word)
    if span.name_size < size or memcmp(span.name, PyBytes_AS_STRING(word), size):
        return False
    return span.name_size == size or span.name[size] == b" "
