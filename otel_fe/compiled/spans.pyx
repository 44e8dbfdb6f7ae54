"""Spans, read from their bytes: as a struct, for what is done to every span, or as an object.

Only usual encodings are read here. A field that occurs twice, an id of another length, an attribute in an odd encoding: for those
each function returns that the span is unusual, and the plain implementation reads it. So does every module of this package;
`protocols.py` names the plain implementation of each function and class.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from otel_fe.compiled.reading cimport Bytes, big_endian, framed, little_endian, read_size, write_varint
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

import sys

SOURCES = OTEL_FE_SOURCES.decode()

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


@cython.no_gc
cdef class Head:
    """A span as an object: its bytes and its fields. The garbage collector does not visit it, since it is in no reference cycle.

    Most spans are counted and decided without becoming one (`batches.pyx`). Its bytes stay those of its request until
    `Batch.release`.
    """

    cdef void hold(self, bytes held, Bytes at, Py_ssize_t size) noexcept:
        """Set the span's bytes, and the object that holds them."""
        self.held, self.at, self.size = held, at, size

    cdef bytes own(self):
        """Return its bytes as a separate object, and release the request."""
        if self.held is not None and PyBytes_GET_SIZE(self.held) != self.size:
            own = PyBytes_FromStringAndSize(<const char *>self.at, self.size)
            self.hold(own, <Bytes>PyBytes_AS_STRING(own), self.size)
        return self.held

    @property
    def raw(self):
        """Its bytes."""
        return self.own()

    @raw.setter
    def raw(self, bytes value not None):
        self.hold(value, <Bytes>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        self.pairs_at = 0  # these bytes have not been read

    @property
    def attributes(self):
        """Its attributes, made on first use."""
        if self.made is None:
            self.made = self.make_attributes()
        return self.made

    @attributes.setter
    def attributes(self, value):
        self.made = value

    cdef bint fill(self, Span *span) except -1:
        """Fill in a struct, valid as long as this object is not changed; return False if the span is unusual."""
        if self.held is None or self.name is None or self.trace_state is None:
            return False
        span.name = <Bytes>PyUnicode_AsUTF8AndSize(self.name, &span.name_size)
        span.at, span.size, span.pairs_at = self.at, self.size, self.pairs_at
        span.span_id, span.parent_id = self.span_id, self.parent_id
        span.start_ns, span.end_ns = self.start_ns, self.end_ns
        span.kind, span.status, span.flags = self.kind, self.status, self.flags
        span.has_status = self.has_status
        span.state_at, span.state_size = 0, len(self.trace_state) > 0
        return self.pairs_at != 0

    def make_attributes(self):
        """Return its attributes."""
        raise NotImplementedError

    def copied(self):
        """Return one with the same fields."""
        cdef Head copy = make_head(type(self))
        copy.hold(self.held, self.at, self.size)
        copy.name, copy.trace_state, copy.made = self.name, self.trace_state, self.made
        copy.trace_id, copy.resource, copy.scope = self.trace_id, self.resource, self.scope
        copy.span_id, copy.parent_id = self.span_id, self.parent_id
        copy.start_ns, copy.end_ns, copy.kind, copy.flags = self.start_ns, self.end_ns, self.kind, self.flags
        copy.status, copy.has_status = self.status, self.has_status
        copy.pairs_at = self.pairs_at
        return copy


@cython.final
cdef class Texts:
    """The last texts read from a request: consecutive spans mostly have the same."""

    def __cinit__(self):
        self.texts = [None] * TEXTS
        self.oldest = 0
        for i in range(TEXTS):
            self.sizes[i] = 0

    cdef int place(self, Bytes p, Py_ssize_t size) except -1:
        """Return the place of a text, which is not empty. The request must outlive this object.

        Raises:
            UnicodeDecodeError: It is no UTF-8.
        """
        cdef int i
        for i in range(TEXTS):
            if self.sizes[i] == size and not memcmp(self.at[i], p, size):
                return i
        text = sys.intern(PyUnicode_DecodeUTF8(<const char *>p, size, NULL))
        i = self.oldest
        self.oldest = (i + 1) % TEXTS
        self.texts[i] = text
        self.at[i] = p
        self.sizes[i] = size
        return i

    cdef str read(self, Bytes p, Py_ssize_t size):
        """Return a text; raises as `place` does."""
        return <str>self.texts[self.place(p, size)] if size else ""


cdef inline int _status(Bytes p, Bytes end) noexcept:
    """Return the code of a `Status`; -1 if it is unusual."""
    cdef int code = 0
    cdef bint coded = False, described = False
    cdef int64_t size
    while p < end:
        if p[0] == 0x18 and not coded and p + 1 < end and p[1] < 0x80:
            code = p[1]
            coded = True
            p += 2
        elif p[0] == 0x12 and not described:
            p += 1
            size = read_size(&p, end)
            if size < 0:
                return -1
            described = True
            p += size
        else:
            return -1
    return code


cdef bint read_span(Span *span, Bytes *trace_id, Bytes begin, Bytes end, Texts names, Texts states) except -1:
    """Read a span, and find its trace's id; return False if it is unusual."""
    cdef Bytes p = begin
    cdef Bytes field
    cdef Bytes after_pair = NULL
    cdef Bytes last
    cdef uint32_t seen = 0
    cdef int tag, number
    cdef int64_t size
    memset(span, 0, sizeof(Span))
    span.at, span.size, span.name = begin, end - begin, begin
    span.pairs_at = <int32_t>(1 + (end - begin))
    while p < end:
        field = p
        tag = p[0]
        p += 1
        if tag == 0x4A or tag == 0x5A or tag == 0x6A:  # attributes, events, links
            size = read_size(&p, end)
            if size < 0:
                return False
            p += size
            if tag == 0x4A:
                if after_pair == NULL:
                    span.pairs_at = <int32_t>(1 + (field - begin))
                elif field != after_pair:
                    return False
                after_pair = p
            continue
        number = 16 if tag == 0x85 else tag >> 3
        if number > 16 or seen >> number & 1:
            return False
        seen |= 1 << number
        if tag == 0x0A or tag == 0x12 or tag == 0x1A or tag == 0x22 or tag == 0x2A or tag == 0x7A:
            size = read_size(&p, end)
            if size < 0:
                return False
            if tag == 0x0A:
                if size != 16 or not (big_endian(p) | big_endian(p + 8)):
                    return False
                trace_id[0] = p
            elif tag == 0x12:
                if size != 8:
                    return False
                span.span_id = big_endian(p)
            elif tag == 0x1A:
                if size:
                    states.place(p, size)
                span.state_at, span.state_size = <int32_t>(p - begin), <int32_t>size
            elif tag == 0x22:
                if size and size != 8:
                    return False
                span.parent_id = big_endian(p) if size else 0
            elif tag == 0x2A:
                if size:
                    names.place(p, size)
                span.name, span.name_size = p, size
            else:
                span.has_status = True
                span.status = _status(p, p + size)
                if span.status < 0:
                    return False
            p += size
        elif tag == 0x39 or tag == 0x41:
            if end - p < 8:
                return False
            if tag == 0x39:
                span.start_ns = little_endian(p, 8)
            else:
                span.end_ns = little_endian(p, 8)
            p += 8
        elif tag == 0x30:
            if p >= end or p[0] >= 0x80:
                return False
            span.kind = p[0]
            p += 1
        elif tag == 0x50 or tag == 0x60 or tag == 0x70:  # how much was dropped: up to 2**28, in four bytes
            last = p + min(3, end - p - 1)
            while p <= last and p[0] >= 0x80:
                p += 1
            if p > last:
                return False
            p += 1
        elif tag == 0x85:
            if end - p < 5 or p[0] != 0x01:
                return False
            span.flags = <uint32_t>little_endian(p + 1, 4)
            p += 5
        else:
            return False
    return span.span_id != 0 and seen >> 1 & 1


def add(trace, spans not None, now_ns):
    """Add spans to the sums of a trace; return False, and do nothing, unless each of them is a `Head`.

    Args:
        trace: A `BufferedTrace`.
        spans: Spans of this trace.
        now_ns: Monotonic time.
    """
    cdef Head span
    cdef uint64_t start, end
    cdef uint32_t flags = 0
    cdef int statuses = 0
    cdef bint rooted = False, has_trace_state = False
    for each in spans:
        if not isinstance(each, Head):
            return False
    start = trace.start_ns
    end = trace.end_ns
    for each in spans:
        span = <Head>each
        if span.start_ns and (not start or span.start_ns < start):
            start = span.start_ns
        if span.end_ns > end:
            end = span.end_ns
        if 0 <= span.status <= 2:
            statuses |= 1 << span.status
        flags |= span.flags
        if not span.parent_id:
            rooted = True
        if span.trace_state:
            has_trace_state = True
    trace.start_ns = start
    trace.end_ns = end
    trace.statuses = trace.statuses | statuses
    trace.flags = trace.flags | flags
    if rooted and not trace.root_received_ns:
        trace.root_received_ns = now_ns
    if has_trace_state:
        trace.has_trace_state = True
        trace._told = None
    return True


# --- spans out ---------------------------------------------------------------------------------------------------------


cdef inline bint _is_plain(span) noexcept:
    """Return whether a span is sent as received, with a stamp appended."""
    return isinstance(span, Head) and (<Head>span).held is not None and not (<Head>span).trace_state


def runs(spans, stamp, single, Py_ssize_t most_bytes):
    """Return spans as they leave, in runs of one resource and scope: resource, scope, bytes with tags and lengths, number of spans.

    Args:
        spans: A list or tuple of a trace's spans.
        stamp: The encoded field to put behind a span without a `tracestate`; None if each span is to be encoded by `single`.
        single: Returns a span with its tag and length.
        most_bytes: The most bytes of a run with more than one span.
    """
    cdef list found = []
    cdef tuple given = tuple(spans)
    cdef Py_ssize_t count = len(given), i = 0, j, stamp_size = 0 if stamp is None else PyBytes_GET_SIZE(<bytes?>stamp)
    cdef Py_ssize_t size, one
    cdef Head first, span
    while i < count:
        if stamp is None or not _is_plain(given[i]):
            found.append((given[i].resource, given[i].scope, single(given[i]), 1))
            i += 1
            continue
        first = <Head>given[i]
        size, j = 0, i
        while j < count and _is_plain(given[j]):
            span = <Head>given[j]
            one = framed(span.size + stamp_size)
            if span.scope is not first.scope or span.resource is not first.resource or j > i and size + one > most_bytes:
                break
            size += one
            j += 1
        found.append((first.resource, first.scope, _joined(given, i, j, size, stamp, stamp_size), j - i))
        i = j
    return found


cdef bytes _joined(tuple spans, Py_ssize_t i, Py_ssize_t j, Py_ssize_t size, bytes stamp, Py_ssize_t stamp_size):
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, size)
    cdef unsigned char *at = <unsigned char *>PyBytes_AS_STRING(joined)
    cdef Head span
    while i < j:
        span = <Head>spans[i]
        at[0] = 0x12
        at = write_varint(at + 1, span.size + stamp_size)
        memcpy(at, span.at, span.size)
        memcpy(at + span.size, PyBytes_AS_STRING(stamp), stamp_size)
        at += span.size + stamp_size
        i += 1
    return joined
