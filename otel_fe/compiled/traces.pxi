# What is asked of all spans of a trace.


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


cdef struct Kin:  # what tells whether the spans of a trace are all there
    uint64_t id
    uint64_t parent
    bint calls  # whether it calls somebody; then, whether nobody has answered


cdef bint _rooted(Kin *kin, Py_ssize_t count) noexcept:
    """Find out which calls nobody has answered; False where a parent is missing."""
    cdef Py_ssize_t i, j
    for i in range(count):
        if kin[i].parent:
            for j in range(count):
                if kin[j].id == kin[i].parent:
                    break
            else:
                return False
    for i in range(count):
        if kin[i].calls:
            for j in range(count):
                if kin[j].parent == kin[i].id:
                    kin[i].calls = False
                    break
    return True


cdef inline bint _calls(int kind) noexcept:
    return kind == 3 or kind == 4


def whole(list spans not None, dict databases not None):
    """Return whether every parent is there, and every call answered that is not one of a database; None where it is not certain.

    Args:
        spans: Of a trace whose root is there.
        databases: Whether spans are calls of databases, by scope and name.
    """
    cdef Py_ssize_t count = len(spans), i
    cdef Kin kin[MOST_SPANS]
    cdef Head span
    cdef PyObject *known
    if count > MOST_SPANS:
        return None
    for i in range(count):
        each = spans[i]
        if not isinstance(each, Head):
            return None
        span = <Head>each
        kin[i].id, kin[i].parent, kin[i].calls = span.span_id, span.parent_id, _calls(span.kind)
    if not _rooted(kin, count):
        return False
    for i in range(count):
        if kin[i].calls:
            span = <Head>spans[i]
            known = PyDict_GetItem(databases, (span.scope, span.name))
            if known == NULL:
                return None
            if <object>known is not True:
                return False
    return True


cdef bint _whole(Batch batch, Group *group, dict databases) except -1:
    """Return whether that is certain of a trace in a batch."""
    cdef Py_ssize_t i = group.first, n = 0
    cdef Kin kin[MOST_SPANS]
    cdef Row *rows[MOST_SPANS]
    cdef Span *span
    while i >= 0:
        if n == MOST_SPANS:
            return False
        rows[n] = &batch.rows[i]
        span = &rows[n].span
        kin[n].id, kin[n].parent, kin[n].calls = span.span_id, span.parent_id, _calls(span.kind)
        i = rows[n].next
        n += 1
    if not _rooted(kin, n):
        return False
    for i in range(n):
        if kin[i].calls and batch.answered(rows[i], databases) != 1:
            return False
    return True


cdef inline uint64_t _hash(uint64_t salted, uint64_t high, uint64_t low) noexcept:
    cdef int shift
    for shift in range(56, -1, -8):
        salted = (salted ^ (high >> shift & 0xFF)) * <uint64_t>0x100000001B3
    for shift in range(56, -1, -8):
        salted = (salted ^ (low >> shift & 0xFF)) * <uint64_t>0x100000001B3
    return salted


def hash_of(uint64_t salted, trace_id):
    """Return the 64 bits of FNV-1a that go on from `salted` over the 16 bytes of a trace's id."""
    return _hash(salted, trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)


cdef inline uint64_t _key(uint64_t high, uint64_t low) noexcept:
    cdef uint64_t mix = 0x9E3779B97F4A7C15
    return ((low ^ high * mix) * mix & <uint64_t>0xFFFFFFFFFFFF0000) or 0x10000


def key_of(trace_id):
    """Return 48 bits of an id, never all zero, above 16 bits that are."""
    return _key(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
