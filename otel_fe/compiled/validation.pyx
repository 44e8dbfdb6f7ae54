"""Validation of a request: every field of it, as deeply as any backend checks."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()


cdef enum:  # what is wrong with a message: places in `validation.REASONS`
    FINE
    MALFORMED
    INVALID_UTF8
    TOO_DEEP
    INVALID_ID
    BROKEN  # malformed, so that there is no next field

cdef enum:  # the kinds of fields: `schema`
    UNKNOWN_FIELD
    VARINT_FIELD
    I64_FIELD
    I32_FIELD
    STRING_FIELD
    BYTES_FIELD
    TRACE_ID_FIELD
    SPAN_ID_FIELD
    PACKED_I64_FIELD
    PACKED_VARINT_FIELD
    MESSAGE_FIELD
    CONTAINER_FIELD
    ITEM_FIELD

cdef enum:
    DEEPEST = 100
    SLOTS = 32
    DEPRECATED_NUMBER = 1000
    DEPRECATED_SLOT = 31
    SMALL_BYTES = 1 << 20
    SMALLEST = 8


cdef struct Field:
    uint32_t number
    int wire_type
    Bytes begin  # of its value
    Bytes end


cdef inline bint _skip_varint(Bytes *at, Bytes end) noexcept:
    """Pass a number of up to 64 bits; False where it does not end."""
    cdef Bytes p = at[0]
    cdef int i
    for i in range(10):
        if p >= end or (i == 9 and p[0] > 1):
            return False
        if p[0] < 0x80:
            at[0] = p + 1
            return True
        p += 1
    return False


cdef inline int64_t _small(Bytes *at, Bytes end) noexcept:
    """Read a tag or a size: a number of up to five bytes; -1 where it does not end."""
    cdef Bytes p = at[0]
    cdef int64_t number = 0
    cdef int shift = 0
    while p < end and shift < 35:
        number |= <int64_t>(p[0] & 0x7F) << shift
        if p[0] < 0x80:
            at[0] = p + 1
            return number
        p += 1
        shift += 7
    return -1


cdef inline bint _read_field(Bytes *at, Bytes end, Field *field) noexcept:
    """Read a field, and pass it; False where it does not end."""
    cdef Bytes p = at[0]
    cdef int64_t number
    if p[0] < 0x80:
        number = p[0]
        p += 1
    else:
        number = _small(&p, end)
        if number < 0 or number >> 32:
            return False
    field.wire_type = number & 7
    field.number = <uint32_t>(number >> 3)
    field.begin = p
    if not field.number:
        return False
    if field.wire_type == 2:
        if p < end and p[0] < 0x80:
            number = p[0]
            p += 1
        else:
            number = _small(&p, end)
            if number < 0 or number >> 31:
                return False
        field.begin = p
        if number > end - p:
            return False
        p += number
    elif field.wire_type == 0:
        if not _skip_varint(&p, end):
            return False
    elif field.wire_type == 1:
        if end - p < 8:
            return False
        p += 8
    elif field.wire_type == 5:
        if end - p < 4:
            return False
        p += 4
    else:
        return False
    field.end = p
    at[0] = p
    return True


cdef inline Bytes _declared(Bytes table, int message, uint32_t number) noexcept:
    """Return the table's slot for a field; slot 0 means that it is not known."""
    cdef uint32_t slot = number if number < DEPRECATED_SLOT else DEPRECATED_SLOT if number == DEPRECATED_NUMBER else 0
    return table + 2 * (message * SLOTS + slot)


cdef bint _is_utf8(Bytes p, Bytes end) noexcept:
    """RFC 3629: no surrogates, nothing beyond U+10FFFF, no longer form than needed."""
    cdef uint64_t eight
    cdef int rest
    cdef unsigned char first, low, high
    while p < end:
        while end - p >= 8:
            memcpy(&eight, p, 8)
            if eight & <uint64_t>0x8080808080808080:
                break
            p += 8
        while p < end and p[0] < 0x80:
            p += 1
        if p >= end:
            return True
        first, low, high = p[0], 0x80, 0xBF
        if 0xC2 <= first <= 0xDF:
            rest = 1
        elif 0xE0 <= first <= 0xEF:
            rest = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        elif 0xF0 <= first <= 0xF4:
            rest = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        else:
            return False
        if end - p <= rest or p[1] < low or p[1] > high:
            return False
        p += 2
        for rest in range(rest - 1):
            if p[0] & 0xC0 != 0x80:
                return False
            p += 1
    return True


cdef inline bint _is_zero(Bytes p, Bytes end) noexcept:
    while p < end:
        if p[0]:
            return False
        p += 1
    return True


cdef int _check_message(Bytes table, Bytes p, Bytes end, int message, int depth, int identified) noexcept:
    """Return the error in a message, or in anything in it.

    Args:
        table: `schema.TABLE`.
        p: Where it begins.
        end: Where it ends.
        message: Which one it is.
        depth: How many messages are around it.
        identified: Which message needs both ids; -1 for none.
    """
    cdef Field field
    cdef Bytes entry
    cdef int fault, kind
    cdef int ids = 0
    if depth > DEEPEST:
        return TOO_DEEP
    while p < end:
        if not _read_field(&p, end, &field):
            return MALFORMED
        entry = _declared(table, message, field.number)
        kind = entry[0]
        fault = _check_value(table, &field, kind, entry[1], depth, identified)
        if fault:
            return fault
        if (kind == TRACE_ID_FIELD or kind == SPAN_ID_FIELD) and field.number <= 2:
            if _is_zero(field.begin, field.end):
                ids &= ~(1 << field.number)
            else:
                ids |= 1 << field.number
    return INVALID_ID if message == identified and ids != 6 else FINE


cdef int _check_value(Bytes table, Field *field, int kind, int inner, int depth, int identified) noexcept:
    cdef Bytes p = field.begin
    cdef Py_ssize_t size = field.end - p
    if kind == UNKNOWN_FIELD:
        return FINE
    if kind == VARINT_FIELD:
        return FINE if field.wire_type == 0 else MALFORMED
    if kind == I64_FIELD:
        return FINE if field.wire_type == 1 else MALFORMED
    if kind == I32_FIELD:
        return FINE if field.wire_type == 5 else MALFORMED
    if field.wire_type != 2:
        if kind == PACKED_I64_FIELD and field.wire_type == 1 or kind == PACKED_VARINT_FIELD and field.wire_type == 0:
            return FINE
        return MALFORMED
    if kind == STRING_FIELD:
        return FINE if _is_utf8(p, field.end) else INVALID_UTF8
    if kind >= MESSAGE_FIELD:
        return _check_message(table, p, field.end, inner, depth + 1, identified)
    if kind == TRACE_ID_FIELD:
        return FINE if size == 16 or not size else INVALID_ID
    if kind == SPAN_ID_FIELD:
        return FINE if size == 8 or not size else INVALID_ID
    if kind == PACKED_I64_FIELD:
        return MALFORMED if size % 8 else FINE
    if kind == PACKED_VARINT_FIELD:
        while p < field.end:
            if not _skip_varint(&p, field.end):
                return MALFORMED
    return FINE


@cython.final
cdef class _Scan:
    """One pass over a request."""

    cdef Bytes table
    cdef Bytes base
    cdef int identified
    cdef Py_ssize_t room
    cdef Py_ssize_t good
    cdef Py_ssize_t bad
    cdef Py_ssize_t rejected[5]
    cdef list cuts
    cdef bint dense

    cdef int container(self, Bytes p, Bytes end, int message, int depth, tuple parents) except -1:
        """Check the enclosing message and its items; return its own error."""
        cdef Field field
        cdef Bytes entry
        cdef Bytes start
        cdef int own = FINE
        cdef int kind, fault
        while p < end and not self.dense:
            start = p
            if not _read_field(&p, end, &field):
                return BROKEN
            entry = _declared(self.table, message, field.number)
            kind = entry[0]
            if kind < CONTAINER_FIELD or field.wire_type != 2:
                fault = _check_value(self.table, &field, kind, entry[1], depth, self.identified)
                own = own or fault
                continue
            self.room -= 1
            self.dense = self.room < 0
            if kind == CONTAINER_FIELD:
                self.enter(start, &field, entry[1], depth + 1, parents)
                continue
            fault = _check_message(self.table, field.begin, field.end, entry[1], depth + 1, self.identified)
            if fault:
                self.bad += 1
                self.rejected[fault] += 1
                self.cut(start, field.end, parents)
            else:
                self.good += 1
        return own

    cdef int enter(self, Bytes start, Field *field, int message, int depth, tuple parents) except -1:
        """Check a message that encloses items; cut it out where it is bad, or nothing is left in it."""
        cdef Py_ssize_t good = self.good, bad = self.bad, cuts = PyList_GET_SIZE(self.cuts), lost
        cdef int own
        around = (start - self.base, field.begin - self.base, field.end - self.base, field.number)
        own = self.container(field.begin, field.end, message, depth, (*parents, around))
        if own:
            lost = self.good - good
            if own == BROKEN and not lost and self.bad == bad:
                lost = 1
            self.rejected[MALFORMED if own == BROKEN else own] += lost
            self.good = good
            self.bad += lost
        elif self.good > good or self.bad == bad:
            return 0
        del self.cuts[cuts:]
        self.cut(start, field.end, parents)
        return 0

    cdef int cut(self, Bytes start, Bytes end, tuple parents) except -1:
        cdef object begin = start - self.base
        cdef Py_ssize_t last = PyList_GET_SIZE(self.cuts) - 1
        if last >= 0 and self.cuts[last][2] is parents and self.cuts[last][1] == begin:
            begin = self.cuts.pop()[0]
        self.cuts.append((begin, end - self.base, parents))
        return 0


def scan(bytes payload not None, bytes table not None, int root, int span, bint identified):
    """Return how many items are fine, how many are not by reason, what to cut out, and whether there are too many messages.

    Args:
        payload: The request.
        table: `schema.TABLE`.
        root: The place of the request among its messages.
        span: That of a span.
        identified: Whether a span needs both ids.

    Returns:
        None where the outermost fields cannot be read.
    """
    cdef _Scan found = _Scan.__new__(_Scan)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(payload)
    cdef int own
    if PyBytes_GET_SIZE(table) % (2 * SLOTS) or not 0 <= root < PyBytes_GET_SIZE(table) // (2 * SLOTS):
        raise ValueError("that is no table of messages")
    found.table, found.base = <Bytes>PyBytes_AS_STRING(table), <Bytes>PyBytes_AS_STRING(payload)
    found.identified = span if identified else -1
    found.room = size // SMALLEST if size > SMALL_BYTES else size
    found.cuts = []
    own = found.container(found.base, found.base + size, root, 0, ())
    if own and not found.dense:
        return None
    return found.good, [found.rejected[i] for i in range(5)], found.cuts, found.dense
