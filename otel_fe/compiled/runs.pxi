# Spans as they leave, joined where they stand together.


cdef inline unsigned char *_write_varint(unsigned char *at, uint64_t value) noexcept:
    while value >= 0x80:
        at[0] = <unsigned char>(value & 0x7F | 0x80)
        value >>= 7
        at += 1
    at[0] = <unsigned char>value
    return at + 1


cdef inline bint _is_plain(span) noexcept:
    """Whether a span leaves as it came, with a stamp behind it."""
    return isinstance(span, Head) and (<Head>span).held is not None and not (<Head>span).trace_state


def runs(spans, stamp, single, Py_ssize_t most_bytes):
    """Return spans as they leave, with tags and lengths: each run its resource, its scope, its bytes, and how many there are.

    Args:
        spans: A list or tuple of a trace's.
        stamp: What is put behind a span without a `tracestate`, encoded; None where every span is a case of its own.
        single: Returns one that is, with its tag and length.
        most_bytes: Of a run, unless it is a single span.
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
            one = _framed(span.size + stamp_size)
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
        at = _write_varint(at + 1, span.size + stamp_size)
        memcpy(at, span.at, span.size)
        memcpy(at + span.size, PyBytes_AS_STRING(stamp), stamp_size)
        at += span.size + stamp_size
        i += 1
    return joined
