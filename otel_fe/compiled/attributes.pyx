"""Attributes, read in place from a span's bytes."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport llrint
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from otel_fe.compiled.reading cimport Bytes, read_size
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span

SOURCES = OTEL_FE_SOURCES.decode()


cdef int pairs_of(Span *span, Pair *pairs) noexcept:
    """Split a span's attributes into keys and values; return how many there are, -1 if they are unusual."""
    cdef Bytes p, end, after
    cdef int64_t size, inner
    cdef int count = 0
    if not span.pairs_at:
        return -1
    p = span.at + (span.pairs_at - 1)
    end = span.at + span.size
    while p < end and p[0] == 0x4A:
        p += 1
        size = read_size(&p, end)
        after = p + size
        if size < 2 or p[0] != 0x0A or count == MOST_PAIRS:
            return -1
        p += 1
        inner = read_size(&p, after)
        if inner < 0:
            return -1
        pairs[count].key = p
        pairs[count].key_size = inner
        p += inner
        inner = 0  # without a value, as for an empty one
        if p < after:
            if p[0] != 0x12:
                return -1
            p += 1
            inner = read_size(&p, after)
            if inner < 0 or p + inner != after:
                return -1
        pairs[count].value = p
        pairs[count].value_size = inner
        p = after
        count += 1
    return count


@cython.final
cdef class Keys:
    """Names of attributes, encoded."""

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


cdef int simple_value(Bytes p, Py_ssize_t size, Simple *found) noexcept:
    """Read a simple value; return its type, `OTHER` if it is of another one, or unusual."""
    cdef Bytes end = p + size
    cdef uint64_t number = 0
    cdef int tag, shift = 0
    if size < 2:
        return OTHER
    tag = p[0]
    p += 1
    if tag == 0x0A:
        found.size = read_size(&p, end)
        found.text = p
        return TEXT if found.size >= 0 and p + found.size == end else OTHER
    if tag == 0x21 and size == 9:
        memcpy(&found.real, p, 8)
        return REAL
    if tag == 0x10 and size == 2 and p[0] < 0x80:
        found.whole = p[0] != 0
        return TRUTH
    if tag == 0x18:
        while p < end and shift <= 63:
            if shift == 63 and p[0] != 1:  # the tenth byte, which a number below 0 has
                return OTHER
            number |= <uint64_t>(p[0] & 0x7F) << shift
            if p[0] < 0x80:
                found.whole = <int64_t>number
                return WHOLE if p + 1 == end else OTHER
            p += 1
            shift += 7
    return OTHER


cdef object _value(Bytes p, Py_ssize_t size):
    """Return a simple value; `...` if it is of another type, or unusual."""
    cdef Simple found
    cdef int kind = simple_value(p, size, &found)
    if kind == TEXT:
        return PyUnicode_DecodeUTF8(<const char *>found.text, found.size, "replace")
    if kind == WHOLE:
        return found.whole
    if kind == REAL:
        return found.real
    return found.whole != 0 if kind == TRUTH else ...


cdef int64_t ns_of(int kind, Simple *value) noexcept:
    """Return seconds as ns, 0 for a value that is no time; -1 if it is unusual."""
    if kind == REAL:
        # Thirty years; not inf, nor nan. Rounded as `round` does: a half to the even number.
        return llrint(value.real * 1e9) if 0 <= value.real < 1e9 else 0
    if kind == WHOLE:
        return value.whole * 1_000_000_000 if 0 <= value.whole < 1_000_000_000 else 0
    return 0 if kind == TEXT else -1


cdef object _seconds(Bytes p, Py_ssize_t size):
    """Return a time in ns, 0 for a value that is no time; `...` if it is unusual."""
    cdef Simple found
    cdef int64_t time_ns = ns_of(simple_value(p, size, &found), &found)
    return ... if time_ns < 0 else time_ns


cdef class Picker:
    """Reads some attributes of spans.

    Args:
        names: Of the attributes.
        kinds: The type of each: `t` a text, "" for any other; `w` a whole number, 0 for any other; `s` seconds, as whole ns,
            0 for any other, and None if the attribute is absent.
    """

    cdef Keys keys
    cdef bytes kinds

    def __cinit__(self, names, kinds):
        self.keys = Keys(names)
        self.kinds = kinds.encode()
        if len(self.kinds) != self.keys.count:
            raise ValueError(f"{kinds!r} for {self.keys.count} names")

    def __call__(self, span):
        """Return their values; None if the span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Span fields
        cdef int count, i
        cdef char kind
        cdef list found
        if not isinstance(span, Head) or not (<Head>span).fill(&fields):
            return None
        count = pairs_of(&fields, pairs)
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
    """Return the spans whose name is a word, or begins with it and a space."""
    cdef list found = []
    cdef str name, before = None, prefix = word + " "
    cdef bint matches = False
    for span in spans:
        name = (<Head>span).name if isinstance(span, Head) else span.name
        if name is not before:  # they are interned
            before = name
            matches = name == word or name.startswith(prefix)
        if matches:
            found.append(span)
    return found
