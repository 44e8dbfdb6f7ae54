# What is asked of all spans of a trace.


def add(trace, spans not None, now_ns):
    """Add spans to the sums of a trace; False, and nothing is done, where they are not all a `Head`'s.

    Args:
        trace: A `BufferedTrace`.
        spans: Of it.
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
