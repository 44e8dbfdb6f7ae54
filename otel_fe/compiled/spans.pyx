# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spans as they come off the wire, in C: what is done for every one of them, and nothing else.

Everything here has a plain twin in Python, which says what is right, and which is asked whenever something is unusual: a field that
stands twice, an id of another length, a text that is no UTF-8, an attribute in an odd encoding. So this knows the usual only, and
says where it does not know. `tests/properties/test_compiled.py` holds both against each other.

    parsed, attach   `ScopeSpans` -> spans, by trace       collector/wire/decode.py
    Finder, record   a span -> its series, counted         pipeline/span_metrics/connector.py
    add, whole       a trace -> what it adds up to         pipeline/received.py
    Picker           a span -> some of its attributes      pipeline/extractions.py
    hash_of          a trace -> its second random number   model/randomness.py
    key_of           a trace -> what it is remembered by   pipeline/remembered.py
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject, PyTypeObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

import sys

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

ctypedef const unsigned char *Bytes

cdef enum:
    MOST_PAIRS = 128  # attributes of a span; with more it is unusual
    MOST_SPANS = 64  # of a trace whose parents are looked for one by one
    MOST_BYTES = 32 * 1024 * 1024  # that all finders remember; the rest is found the plain way
    ABOUT_BYTES = 256  # what remembering takes beside the key itself
    KEY_BYTES = 2048
    TEXTS = 4

cdef tuple _NOTHING = ()


cdef struct Pair:
    Bytes key
    Py_ssize_t key_size
    Bytes value  # an `AnyValue`
    Py_ssize_t value_size


@cython.no_gc
cdef class Head:
    """A span's bytes, and what nearly everything asks of a span. In no cycle: no garbage collector need look at it."""

    cdef public bytes raw
    cdef public object trace_id
    cdef public uint64_t span_id
    cdef public uint64_t parent_id
    cdef public uint64_t start_ns
    cdef public uint64_t end_ns
    cdef public int kind
    cdef public int status
    cdef public uint32_t flags
    cdef public bint has_status
    cdef public str name
    cdef public str trace_state
    cdef public object resource
    cdef public object scope
    cdef object made
    cdef Py_ssize_t id_at  # where in `raw` its trace id is
    cdef Py_ssize_t pairs_at  # 1 + where its attributes begin, which are all together; 0 where `parsed` has not read it

    @property
    def attributes(self):
        """Its attributes; made when somebody asks."""
        if self.made is None:
            self.made = self.make_attributes()
        return self.made

    @attributes.setter
    def attributes(self, value):
        self.made = value

    def make_attributes(self):
        """Return its attributes."""
        raise NotImplementedError

    def copied(self):
        """Return one with the same fields."""
        cdef Head copy = _made(type(self))
        copy.raw, copy.name, copy.trace_state, copy.made = self.raw, self.name, self.trace_state, self.made
        copy.trace_id, copy.resource, copy.scope = self.trace_id, self.resource, self.scope
        copy.span_id, copy.parent_id = self.span_id, self.parent_id
        copy.start_ns, copy.end_ns, copy.kind, copy.flags = self.start_ns, self.end_ns, self.kind, self.flags
        copy.status, copy.has_status = self.status, self.has_status
        copy.id_at, copy.pairs_at = self.id_at, self.pairs_at
        return copy


cdef inline Head _made(type kind):
    return <Head>(<PyTypeObject *>kind).tp_new(kind, <PyObject *>_NOTHING, NULL)


# --- a request -----------------------------------------------------------------------------------------------------------


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


def parsed(bytes data not None, type kind not None):
    """Return a `ScopeSpans` without its spans, encoded, and its spans; None where anything is unusual.

    Args:
        data: The encoded message.
        kind: What to make of each span: a class below `Head`.

    Raises:
        UnicodeDecodeError: That is unusual, too.
    """
    cdef Bytes begin = <Bytes>PyBytes_AS_STRING(data)
    cdef Bytes p = begin
    cdef Bytes end = begin + PyBytes_GET_SIZE(data)
    cdef Bytes field
    cdef int64_t size
    cdef int tag
    cdef list frame = [], spans = []
    cdef Head span
    cdef _Texts names = _Texts(), states = _Texts()
    if not issubclass(kind, Head):
        raise TypeError(f"{kind.__name__} is no Head")
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
            span.raw = PyBytes_FromStringAndSize(<const char *>p, size)
            spans.append(span)
        else:
            frame.append(PyBytes_FromStringAndSize(<const char *>field, p + size - field))
        p += size
    return b"".join(frame), spans


def attach(list spans not None, resource, scope, dict traces not None, begin not None):
    """Give spans that `parsed` returned their resource and scope, and put them into their traces.

    Args:
        spans: All of one scope.
        resource: What produced them.
        scope: What made them.
        traces: By encoded id; each has its `trace_id` and `spans`.
        begin: Returns a new trace, given its id.
    """
    cdef Head span
    cdef PyObject *known
    cdef Bytes before = NULL
    cdef Bytes encoded
    cdef list members = None
    cdef object number = None
    for span in spans:
        span.resource = resource
        span.scope = scope
        encoded = <Bytes>PyBytes_AS_STRING(span.raw) + span.id_at
        if before == NULL or memcmp(before, encoded, 16):
            before = encoded
            key = PyBytes_FromStringAndSize(<const char *>encoded, 16)
            known = PyDict_GetItem(traces, key)
            if known == NULL:
                trace = begin(int.from_bytes(key, "big"))
                traces[key] = trace
            else:
                trace = <object>known
            number = trace.trace_id
            members = trace.spans
        span.trace_id = number
        members.append(span)


def release(spans):
    """Let go of what protobuf has parsed for spans whose attributes somebody asked for."""
    cdef Head span
    for each in spans:
        if isinstance(each, Head):
            span = <Head>each
            if span.made is not None:
                span.made.head = span.made.pairs = None


# --- attributes ----------------------------------------------------------------------------------------------------------


cdef int _pairs_of(Head span, Pair *pairs) noexcept:
    """Take a span's attributes apart; return how many there are, -1 where they are unusual."""
    cdef Bytes p, end, after
    cdef int64_t size, inner
    cdef int count = 0
    if not span.pairs_at or span.raw is None:
        return -1
    p = <Bytes>PyBytes_AS_STRING(span.raw) + (span.pairs_at - 1)
    end = <Bytes>PyBytes_AS_STRING(span.raw) + PyBytes_GET_SIZE(span.raw)
    while p < end and p[0] == 0x4A:
        p += 1
        size = _size(&p, end)
        after = p + size
        if size < 4 or p[0] != 0x0A or count == MOST_PAIRS:
            return -1
        p += 1
        inner = _size(&p, after)
        if inner < 0:
            return -1
        pairs[count].key = p
        pairs[count].key_size = inner
        p += inner
        if p >= after or p[0] != 0x12:
            return -1
        p += 1
        inner = _size(&p, after)
        if inner < 0 or p + inner != after:
            return -1
        pairs[count].value = p
        pairs[count].value_size = inner
        p = after
        count += 1
    return count


cdef class _Keys:
    """Names of attributes, encoded."""

    cdef tuple encoded
    cdef int count
    cdef Bytes *at
    cdef Py_ssize_t *sizes

    def __cinit__(self, names):
        self.encoded = tuple([name.encode() for name in names])
        self.count = len(self.encoded)
        self.at = <Bytes *>malloc((self.count + 1) * sizeof(Bytes))
        self.sizes = <Py_ssize_t *>malloc((self.count + 1) * sizeof(Py_ssize_t))
        if self.at == NULL or self.sizes == NULL:
            raise MemoryError
        for i in range(self.count):
            self.at[i] = <Bytes>PyBytes_AS_STRING(self.encoded[i])
            self.sizes[i] = PyBytes_GET_SIZE(self.encoded[i])

    def __dealloc__(self):
        free(<void *>self.at)
        free(self.sizes)

    cdef inline Pair *find(self, int key, Pair *pairs, int count) noexcept:
        """Return the first attribute with one of the names; NULL where there is none."""
        cdef int i
        for i in range(count):
            if pairs[i].key_size == self.sizes[key] and not memcmp(pairs[i].key, self.at[key], self.sizes[key]):
                return &pairs[i]
        return NULL


cdef object _value(Bytes p, Py_ssize_t size):
    """Return a simple value; `...` where it is another, or unusual."""
    cdef Bytes end = p + size
    cdef int tag
    cdef int64_t inner
    cdef uint64_t number = 0
    cdef int shift = 0
    cdef double real
    if size < 2:
        return ...
    tag = p[0]
    p += 1
    if tag == 0x0A:
        inner = _size(&p, end)
        return PyUnicode_DecodeUTF8(<const char *>p, inner, "replace") if inner >= 0 and p + inner == end else ...
    if tag == 0x21 and size == 9:
        memcpy(&real, p, 8)
        return real
    if tag == 0x10 and size == 2 and p[0] < 0x80:
        return p[0] != 0
    if tag == 0x18:
        while p < end and shift < 63:
            number |= <uint64_t>(p[0] & 0x7F) << shift
            if p[0] < 0x80:
                return <int64_t>number if p + 1 == end else ...
            p += 1
            shift += 7
    return ...


cdef object _seconds(Bytes p, Py_ssize_t size):
    """Return a time in ns, 0 for what is no time; `...` where it is unusual."""
    value = _value(p, size)
    if value is ... or type(value) is bool:
        return ...
    if (type(value) is float or type(value) is int) and 0 <= value < 1e9:  # thirty years; not inf, nor nan
        return round(value * 1_000_000_000)
    return 0


cdef class Picker:
    """Reads some attributes of spans.

    Args:
        names: Of the attributes.
        kinds: What each should be: `t` a text, "" where it is none; `w` a whole number, 0 where it is none; `s` seconds, as whole ns,
            0 where they are none, and None where the attribute is absent.
    """

    cdef _Keys keys
    cdef bytes kinds

    def __init__(self, names, kinds):
        self.keys = _Keys(names)
        self.kinds = kinds.encode()
        if len(self.kinds) != self.keys.count:
            raise ValueError(f"{kinds!r} for {self.keys.count} names")

    def __call__(self, span):
        """Return their values; or None, where this span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef int count, i
        cdef char kind
        cdef list found
        if not isinstance(span, Head):
            return None
        count = _pairs_of(<Head>span, pairs)
        if count < 0:
            return None
        found = []
        for i in range(self.keys.count):
            pair = self.keys.find(i, pairs, count)
            kind = self.kinds[i]
            if pair == NULL:
                value = "" if kind == b"t" else 0 if kind == b"w" else None
            elif kind == b"s":
                value = _seconds(pair.value, pair.value_size)
            else:
                value = _value(pair.value, pair.value_size)
            if value is ...:
                return None
            if kind == b"t":
                if type(value) is not str:
                    value = ""
            elif kind == b"w" and type(value) is not int:
                value = 0
            found.append(value)
        return found


def named(spans, str word not None):
    """Return the spans whose names are a word, or begin with it and a blank."""
    cdef list found = []
    cdef object before = None
    cdef bint matches = False
    cdef str prefix = word + " "
    for span in spans:
        name = (<Head>span).name if isinstance(span, Head) else span.name
        if name is not before:  # they are interned
            before = name
            matches = name == word or name.startswith(prefix)
        if matches:
            found.append(span)
    return found


# --- series --------------------------------------------------------------------------------------------------------------


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


# --- a trace -------------------------------------------------------------------------------------------------------------


def add(trace, spans not None, now_ns):
    """Add spans to the sums of a trace; False, and nothing is done, where they are not all a `Head`'s.

    Args:
        trace: A `ReceivedTrace`.
        spans: Of it.
        now_ns: Monotonic time.
    """
    cdef Head span
    cdef uint64_t start, end
    cdef uint32_t flags = 0
    cdef int statuses = 0
    cdef bint rooted = False, stated = False
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
            stated = True
    trace.start_ns = start
    trace.end_ns = end
    trace.statuses = trace.statuses | statuses
    trace.flags = trace.flags | flags
    if rooted and not trace.rooted_ns:
        trace.rooted_ns = now_ns
    if stated:
        trace.stated = True
        trace._told = None
    return True


def whole(list spans not None, dict databases not None):
    """Return whether every parent is there, and every call answered that is not one of a database; None where it is not certain.

    Args:
        spans: Of a trace whose root is there.
        databases: Whether spans are calls of databases, by scope and name.
    """
    cdef Py_ssize_t count = len(spans), i, j
    cdef uint64_t ids[MOST_SPANS]
    cdef uint64_t parents[MOST_SPANS]
    cdef bint calls[MOST_SPANS]
    cdef uint64_t wanted
    cdef Head span
    cdef PyObject *known
    if count > MOST_SPANS:
        return None
    for i in range(count):
        each = spans[i]
        if not isinstance(each, Head):
            return None
        span = <Head>each
        ids[i] = span.span_id
        parents[i] = span.parent_id
        calls[i] = span.kind == 3 or span.kind == 4
    for i in range(count):
        wanted = parents[i]
        if wanted:
            for j in range(count):
                if ids[j] == wanted:
                    break
            else:
                return False
    for i in range(count):
        if calls[i]:
            wanted = ids[i]
            for j in range(count):
                if parents[j] == wanted:
                    break
            else:
                span = <Head>spans[i]
                known = PyDict_GetItem(databases, (span.scope, span.name))
                if known == NULL:
                    return None
                if <object>known is not True:
                    return False
    return True


def hash_of(uint64_t salted, trace_id):
    """Return the 64 bits of FNV-1a that go on from `salted` over the 16 bytes of a trace's id."""
    cdef uint64_t halves[2]
    cdef int half, shift
    halves[0] = trace_id >> 64
    halves[1] = trace_id & 0xFFFFFFFFFFFFFFFF
    for half in range(2):
        for shift in range(56, -1, -8):
            salted = (salted ^ (halves[half] >> shift & 0xFF)) * <uint64_t>0x100000001B3
    return salted


def key_of(trace_id):
    """Return 48 bits of an id, never all zero, above 16 bits that are."""
    cdef uint64_t high = trace_id >> 64
    cdef uint64_t low = trace_id & 0xFFFFFFFFFFFFFFFF
    cdef uint64_t mix = 0x9E3779B97F4A7C15
    return ((low ^ high * mix) * mix & <uint64_t>0xFFFFFFFFFFFF0000) or 0x10000
