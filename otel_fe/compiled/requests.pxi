# From a request's bytes to its spans and their traces.


cdef inline int64_t _size(Bytes *at, Bytes end) noexcept:
    """Read the size of what follows, and pass it; -1 where that reaches beyond the end, or is unusual."""
    cdef Bytes p = at[0]
    cdef int64_t size = 0
    cdef int shift = 0
    while p < end and shift < 28:
        size |= <int64_t>(p[0] & 0x7F) << shift
        if p[0] < 0x80:
            p += 1
            if size > end - p:
                return -1
            at[0] = p
            return size
        p += 1
        shift += 7
    return -1


cdef inline uint64_t _big(Bytes p) noexcept:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = value << 8 | p[i]
    return value


cdef inline uint64_t _little(Bytes p, int size) noexcept:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size - 1, -1, -1):
        value = value << 8 | p[i]
    return value


cdef class _Texts:
    """The last texts that were read of a request: those of spans that stand together are mostly the same."""

    cdef list texts
    cdef Bytes at[TEXTS]
    cdef Py_ssize_t sizes[TEXTS]
    cdef int oldest

    def __cinit__(self):
        self.texts = [None] * TEXTS
        self.oldest = 0
        for i in range(TEXTS):
            self.sizes[i] = 0

    cdef str read(self, Bytes p, Py_ssize_t size):
        """Return a text; an error where it is no UTF-8. The request must outlive `self`."""
        cdef int i
        if not size:
            return ""
        for i in range(TEXTS):
            if self.sizes[i] == size and not memcmp(self.at[i], p, size):
                return <str>self.texts[i]
        text = sys.intern(PyUnicode_DecodeUTF8(<const char *>p, size, NULL))
        i = self.oldest
        self.oldest = (i + 1) % TEXTS
        self.texts[i] = text
        self.at[i] = p
        self.sizes[i] = size
        return text


cdef inline int _status(Bytes p, Bytes end) noexcept:
    """Return the code of a `Status`; -1 where it is unusual."""
    cdef int code = 0
    cdef bint coded = False, told = False
    cdef int64_t size
    while p < end:
        if p[0] == 0x18 and not coded and p + 1 < end and p[1] < 0x80:
            code = p[1]
            coded = True
            p += 2
        elif p[0] == 0x12 and not told:
            p += 1
            size = _size(&p, end)
            if size < 0:
                return -1
            told = True
            p += size
        else:
            return -1
    return code


cdef bint _read(Head span, Bytes begin, Bytes end, _Texts names, _Texts states) except -1:
    """Read a span; False where it is unusual."""
    cdef Bytes p = begin
    cdef Bytes field
    cdef Bytes after_pair = NULL
    cdef uint32_t seen = 0
    cdef int tag, number
    cdef int64_t size
    span.name = ""
    span.trace_state = ""
    span.pairs_at = 1 + (end - begin)
    while p < end:
        field = p
        tag = p[0]
        p += 1
        if tag == 0x4A or tag == 0x5A or tag == 0x6A:  # attributes, events, links
            size = _size(&p, end)
            if size < 0:
                return False
            p += size
            if tag == 0x4A:
                if after_pair == NULL:
                    span.pairs_at = 1 + (field - begin)
                elif field != after_pair:
                    return False
                after_pair = p
            continue
        number = 16 if tag == 0x85 else tag >> 3
        if number > 16 or seen >> number & 1:
            return False
        seen |= 1 << number
        if tag == 0x0A or tag == 0x12 or tag == 0x1A or tag == 0x22 or tag == 0x2A or tag == 0x7A:
            size = _size(&p, end)
            if size < 0:
                return False
            if tag == 0x0A:
                if size != 16 or not (_big(p) | _big(p + 8)):
                    return False
                span.id_at = p - begin
            elif tag == 0x12:
                if size != 8:
                    return False
                span.span_id = _big(p)
            elif tag == 0x1A:
                span.trace_state = states.read(p, size)
            elif tag == 0x22:
                if size and size != 8:
                    return False
                span.parent_id = _big(p) if size else 0
            elif tag == 0x2A:
                span.name = names.read(p, size)
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
                span.start_ns = _little(p, 8)
            else:
                span.end_ns = _little(p, 8)
            p += 8
        elif tag == 0x30 or tag == 0x50 or tag == 0x60 or tag == 0x70:  # the kind; how much was dropped
            if p >= end or p[0] >= 0x80:
                return False
            if tag == 0x30:
                span.kind = p[0]
            p += 1
        elif tag == 0x85:
            if end - p < 5 or p[0] != 0x01:
                return False
            span.flags = <uint32_t>_little(p + 1, 4)
            p += 5
        else:
            return False
    return span.span_id != 0 and seen >> 1 & 1


def parsed(bytes payload not None, Py_ssize_t start, Py_ssize_t stop, type kind not None):
    """Return a `ScopeSpans` without its spans, encoded, and its spans; None where anything is unusual.

    Args:
        payload: The encoded request; the spans refer to it until `release`.
        start: Where in it the message begins.
        stop: Where it ends.
        kind: What to make of each span: a class below `Head`.

    Raises:
        UnicodeDecodeError: That is unusual, too.
    """
    cdef Bytes begin = <Bytes>PyBytes_AS_STRING(payload)
    cdef Bytes p = begin + start
    cdef Bytes end = begin + stop
    cdef Bytes field
    cdef int64_t size
    cdef int tag
    cdef list frame = [], spans = []
    cdef Head span
    cdef _Texts names = _Texts(), states = _Texts()
    if not issubclass(kind, Head):
        raise TypeError(f"{kind.__name__} is no Head")
    if not 0 <= start <= stop <= PyBytes_GET_SIZE(payload):
        raise IndexError(f"{start} to {stop} of {PyBytes_GET_SIZE(payload)} bytes")
    while p < end:
        field = p
        tag = p[0]
        p += 1
        if tag != 0x12 and tag != 0x0A and tag != 0x1A:
            return None
        size = _size(&p, end)
        if size < 0:
            return None
        if tag == 0x12:
            span = _made(kind)
            if not _read(span, p, p + size, names, states):
                return None
            span.hold(payload, p, size)
            spans.append(span)
        else:
            frame.append(PyBytes_FromStringAndSize(<const char *>field, p + size - field))
        p += size
    return b"".join(frame), spans


@cython.no_gc
cdef class Trace:
    """The spans of one trace in one request."""

    cdef readonly object trace_id
    cdef public list spans
    cdef public int64_t size_bytes
    cdef unsigned char encoded[16]  # its id
    cdef Py_ssize_t place  # among the traces of the request; -1 where that is not known

    def __cinit__(self):
        self.spans = []
        self.place = -1

    def __init__(self, trace_id):
        self.begin(trace_id, int.to_bytes(trace_id, 16, "big"), -1)

    cdef int begin(self, trace_id, bytes encoded, Py_ssize_t place) except -1:
        """Begin anew, given the 16 bytes of an id, too."""
        memcpy(self.encoded, PyBytes_AS_STRING(encoded), 16)
        self.trace_id = trace_id
        self.spans = []
        self.size_bytes = 0
        self.place = place
        return 0


def attach(list spans not None, resource, scope, dict traces not None):
    """Give spans that `parsed` returned their resource and scope, and put them into their traces.

    Args:
        spans: All of one scope.
        resource: What produced them.
        scope: What made them.
        traces: By encoded id, as they came.

    Raises:
        ValueError: `parsed` has not returned them.
    """
    cdef Head span
    cdef Bytes encoded
    cdef Trace trace = None
    # Scopes mostly have the same traces, in the same order. A list of all, made for each of many scopes of few spans, would take
    # time that grows with the square of what is sent.
    cdef list before = list(traces.values()) if PyDict_Size(traces) <= MOST_TIMES * PyList_GET_SIZE(spans) else []
    cdef Py_ssize_t expected = 0
    for span in spans:
        if span is None or not span.id_at:
            raise ValueError("a span that was not parsed")
        span.resource = resource
        span.scope = scope
        encoded = span.at + span.id_at
        if trace is None or memcmp(trace.encoded, encoded, 16):
            trace = <Trace?>before[expected] if expected < PyList_GET_SIZE(before) else None
            if trace is None or memcmp(trace.encoded, encoded, 16):
                trace = _trace(traces, encoded)
            expected = trace.place + 1
        span.trace_id = trace.trace_id
        trace.spans.append(span)


cdef Trace _trace(dict traces, Bytes encoded):
    """Return the trace with an id, a new one where there is none."""
    cdef Trace trace
    cdef bytes key = PyBytes_FromStringAndSize(<const char *>encoded, 16)
    cdef PyObject *known = PyDict_GetItem(traces, key)
    if known != NULL:
        return <Trace?><object>known
    trace = Trace.__new__(Trace)
    trace.begin(int.from_bytes(key, "big"), key, PyDict_Size(traces))
    traces[key] = trace
    return trace


def release(list traces not None):
    """Let go of the request that traces came in, and of what protobuf has parsed for whoever asked for attributes.

    Spans that nobody else holds are about to go, and keep what they have.
    """
    cdef Trace trace
    cdef Head span
    cdef PyObject *each
    cdef Py_ssize_t i
    cdef bint shared
    for item in traces:
        trace = <Trace?>item
        if trace.spans is None:
            continue
        shared = Py_REFCNT(<PyObject *>trace) > TRACE_REFERENCES or Py_REFCNT(<PyObject *>trace.spans) > 1
        for i in range(PyList_GET_SIZE(trace.spans)):
            each = PyList_GET_ITEM(trace.spans, i)
            if isinstance(<object>each, Head) and (shared or Py_REFCNT(each) > 1):
                span = <Head>each
                span.own()
                if span.made is not None:
                    span.made.head = span.made.pairs = None
