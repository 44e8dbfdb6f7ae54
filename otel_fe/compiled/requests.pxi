# A request's bytes, and the spans that stand in them.


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

    cdef int place(self, Bytes p, Py_ssize_t size) except -1:
        """Return where a text is, which is not empty; an error where it is no UTF-8. The request must outlive `self`."""
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
        """Return a text; an error where it is no UTF-8."""
        return <str>self.texts[self.place(p, size)] if size else ""


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


cdef bint _read(Span *span, Bytes *trace_id, Bytes begin, Bytes end, _Texts names, _Texts states) except -1:
    """Read a span, and find its trace's id; False where it is unusual."""
    cdef Bytes p = begin
    cdef Bytes field
    cdef Bytes after_pair = NULL
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
            size = _size(&p, end)
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
            size = _size(&p, end)
            if size < 0:
                return False
            if tag == 0x0A:
                if size != 16 or not (_big(p) | _big(p + 8)):
                    return False
                trace_id[0] = p
            elif tag == 0x12:
                if size != 8:
                    return False
                span.span_id = _big(p)
            elif tag == 0x1A:
                if size:
                    states.place(p, size)
                span.state_at, span.state_size = <int32_t>(p - begin), <int32_t>size
            elif tag == 0x22:
                if size and size != 8:
                    return False
                span.parent_id = _big(p) if size else 0
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


cdef bint _next(Bytes *at, Bytes end, int holds, Bytes *begin, list parts) except -1:
    """Pass one field of a message; False where it is unusual.

    Args:
        at: Where it begins, and then ends.
        end: Of the message.
        holds: The tag of what `begin` is set to, where it is that; NULL where it is not.
        begin: Where that begins; it ends where the field does.
        parts: Takes all other fields, encoded.
    """
    cdef Bytes field = at[0]
    cdef Bytes p = field + 1
    cdef int tag = field[0]
    cdef int64_t size
    if tag != holds and tag != 0x0A and tag != 0x1A:
        return False
    size = _size(&p, end)
    if size < 0:
        return False
    at[0] = p + size
    begin[0] = NULL
    if tag == holds:
        begin[0] = p
    elif parts is not None:
        if PyList_GET_SIZE(parts) == MOST_PARTS:
            return False
        parts.append(PyBytes_FromStringAndSize(<const char *>field, at[0] - field))
    return True
