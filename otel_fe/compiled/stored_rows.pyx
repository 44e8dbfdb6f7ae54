"""Kept traces as rows of the store, and their bodies as chunks."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef int64_t MOST = 0x7FFFFFFFFFFFFFFF
cdef Py_ssize_t MOST_NUMBER = 0xFFFFFFFF
cdef Py_ssize_t WITH_FRAMES = 1 << 31  # the bit of a chunk's first number that says that it has frames


@cython.final
cdef class RowBuilder:
    """Builds the rows of traces and of their extractions.

    Args:
        edges_ns: The lower edges of the buckets of latency, from bucket 1.
        slot_ns: The time that extractions are ordered by.
        causes: Those that have columns, in their order.
        usual: How many of them an extraction may have time in that has not measured it; those come first.
    """

    cdef int64_t *edges
    cdef int edges_count, usual
    cdef int64_t slot_ns
    cdef tuple causes
    cdef tuple no_split

    def __cinit__(self, edges_ns, slot_ns, causes, usual):
        self.edges_count = len(edges_ns)
        self.edges = <int64_t *>malloc(self.edges_count * sizeof(int64_t))
        if self.edges == NULL:
            raise MemoryError
        for i, edge in enumerate(edges_ns):
            self.edges[i] = edge
        self.slot_ns, self.usual = slot_ns, usual
        self.causes = tuple(causes)
        self.no_split = (None,) * self.usual

    def __dealloc__(self):
        free(self.edges)

    def trace(self, trace, key, now_s, dict known not None, number, logs):
        """Return the row of a trace.

        Args:
            trace: A `KeptTrace`.
            key: Of the row.
            now_s: Unix time.
            known: Numbers of texts.
            number: Returns the number of a text that is not known.
            logs: Its packed logs.
        """
        root = trace.root
        if not root.isascii():
            root = root.encode("utf-8", "replace").decode()
        return (
            key,
            trace.trace_id.to_bytes(16, "big"),
            now_s,
            _fits(trace.start_ns),
            _fits(trace.end_ns),
            root,
            _number(trace.service, known, number),
            trace.error,
            _number(trace.policy, known, number),
            trace.weight,
            trace.span_count,
            None,
            logs,
        )

    def extraction(self, extraction, tuple place not None, weight, policy, dict known not None, number):
        """Return the row of an extraction: with the columns of the usual causes where the others have no time, else with those of all.

        Args:
            extraction: A `KeptExtraction`.
            place: The key of its trace, and its number there.
            weight: Its weight.
            policy: The number of the policy that kept it.
            known: As of `trace`.
            number: As of `trace`.
        """
        cdef int64_t start, duration, slot
        start_ns, duration_ns = _fits(extraction.start_ns), _fits(extraction.duration_ns)
        start, duration = start_ns, duration_ns
        slot = start // self.slot_ns
        if start < 0 and slot * self.slot_ns != start:
            slot -= 1  # in C, it is rounded towards 0
        feature_set, cause, library = extraction.feature_set, extraction.cause, extraction.library
        error_type, split = extraction.error_type, extraction.split
        return (
            slot,
            self.bucket(duration),
            *place,
            weight,
            start_ns,
            duration_ns,
            _number(extraction.service, known, number),
            None if feature_set is None else _number(feature_set, known, number),
            extraction.error,
            extraction.cache_hit,
            _number(cause, known, number) if cause else None,
            policy,
            extraction.span_id.to_bytes(8, "big"),
            _number(library, known, number) if library else None,
            _number(error_type, known, number) if error_type else None,
            _fits(extraction.lookups),
            _fits(extraction.hits),
            _fits(extraction.cpu_ns),
            _fits(extraction.memory_growth_bytes),
            *(self.split(split, duration_ns) if split else self.no_split),
        )

    cdef int bucket(self, int64_t duration_ns) noexcept:
        cdef int low = 0, high = self.edges_count, middle
        while low < high:
            middle = (low + high) // 2
            if duration_ns < self.edges[middle]:
                high = middle
            else:
                low = middle + 1
        return low

    cdef list split(self, split, duration_ns):
        cdef list values = []
        cdef int i
        whole = 0
        for i in range(self.usual):
            value = split.get(self.causes[i], 0)
            values.append(value)
            whole += value
        if whole == duration_ns:  # the parts add up to it
            return values
        for i in range(self.usual, len(self.causes)):
            values.append(split.get(self.causes[i], 0))
        # Of a duration that fits, each part does.
        return values if duration_ns < MOST else [_fits(value) for value in values]


cdef inline object _number(text, dict known, number):
    cdef PyObject *found = PyDict_GetItem(known, text)
    return <object>found if found != NULL else number(text)


cdef inline object _fits(value):
    """Return a number as SQLite can hold it."""
    cdef int overflow = 0
    cdef int64_t small = PyLong_AsLongLongAndOverflow(value, &overflow)
    return MOST if overflow or small < -MOST else value


cdef inline unsigned char *_write(unsigned char *at, Py_ssize_t number) noexcept:
    """Write a number of 32 bits, little-endian; return the place behind it."""
    cdef int i
    for i in range(4):
        at[i] = <unsigned char>(number >> 8 * i & 0xFF)
    return at + 4


def joined(list bodies not None):
    """Return the bodies of traces as a chunk (`store/bodies.py`).

    Args:
        bodies: Of each trace its decision, and the runs of its spans: resource, scope and bytes.
    """
    cdef dict frames = {b"": 0}
    cdef list numbers = [], parts = []
    cdef bytes head
    cdef unsigned char *at
    for record, runs in bodies:
        numbers.append(len(record))
        numbers.append(len(runs))
        parts.append(record)
        for resource, scope, spans in runs:
            numbers.append(frames.setdefault(resource, len(frames)))
            numbers.append(frames.setdefault(scope, len(frames)))
            numbers.append(len(spans))
            parts.append(spans)
    head = PyBytes_FromStringAndSize(NULL, 4 * (2 + len(frames) + len(numbers)))
    at = <unsigned char *>PyBytes_AS_STRING(head)
    at = _write(at, WITH_FRAMES | <Py_ssize_t>len(bodies))
    at = _write(at, len(frames))
    for frame in frames:
        at = _write(at, len(frame))
    for number in numbers:
        if number > MOST_NUMBER:
            raise OverflowError(f"{number} bytes are too many for a chunk")
        at = _write(at, number)
    return b"".join([head, *frames, *parts])
