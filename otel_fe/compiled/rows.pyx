"""Pending traces: a row each, and their spans as bytes."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from otel_fe.compiled.batches cimport Batch, Group, Row
from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span, Texts, make_head, read_span
from otel_fe.compiled.traces cimport place_of_id

SOURCES = OTEL_FE_SOURCES.decode()


@cython.final
cdef class Rows:
    """A hash table of pending traces, which are also in order of arrival, and in order of the arrival of their roots.

    Args:
        seen_count: The number of leaves that look at each span.
    """

    def __cinit__(self, int seen_count):
        self.oldest = self.newest = self.rooted_oldest = self.rooted_newest = NULL
        self.seen_count = seen_count
        self.traces = self.spans = 0
        self.held_bytes = 0
        self.shift = 64 - 10
        self.table = <Wait **>calloc(1 << 10, sizeof(void *))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        while self.oldest != NULL:
            self.forget(self.oldest)
        free(self.table)

    cdef int grow(self) except -1:
        cdef Wait **more
        cdef Wait *row = self.oldest
        cdef uint64_t place
        self.shift -= 1
        more = <Wait **>calloc(<size_t>1 << (64 - self.shift), sizeof(void *))
        if more == NULL:
            self.shift += 1
            raise MemoryError
        free(self.table)
        self.table = more
        while row != NULL:
            place = place_of_id(row.high, row.low, self.shift)
            row.chained = more[place]
            more[place] = row
            row = row.newer
        return 0

    cdef Wait *begin(self, uint64_t high, uint64_t low, int64_t arrived_ns) except NULL:
        cdef Wait *row
        cdef uint64_t place
        cdef size_t size = sizeof(Wait) + self.seen_count * sizeof(int64_t)
        if self.traces >= <Py_ssize_t>1 << (64 - self.shift):
            self.grow()
        row = <Wait *>calloc(1, size)
        if row == NULL:
            raise MemoryError
        row.high, row.low, row.arrived_ns = high, low, arrived_ns
        place = place_of_id(high, low, self.shift)
        row.chained = self.table[place]
        self.table[place] = row
        row.older = self.newest
        if self.newest != NULL:
            self.newest.newer = row
        else:
            self.oldest = row
        self.newest = row
        self.traces += 1
        self.held_bytes += size
        return row

    cdef void wait_after_root(self, Wait *row) noexcept:
        row.by_root = True
        row.rooted_older = self.rooted_newest
        if self.rooted_newest != NULL:
            self.rooted_newest.rooted_newer = row
        else:
            self.rooted_oldest = row
        self.rooted_newest = row

    cdef void forget(self, Wait *row) noexcept:
        """Remove and free a trace and its spans."""
        cdef Wait **at = &self.table[place_of_id(row.high, row.low, self.shift)]
        cdef PyObject *chunk = row.first
        cdef PyObject *after
        while at[0] != row:
            at = &at[0].chained
        at[0] = row.chained
        if row.older != NULL:
            row.older.newer = row.newer
        else:
            self.oldest = row.newer
        if row.newer != NULL:
            row.newer.older = row.older
        else:
            self.newest = row.older
        if row.by_root:
            if row.rooted_older != NULL:
                row.rooted_older.rooted_newer = row.rooted_newer
            else:
                self.rooted_oldest = row.rooted_newer
            if row.rooted_newer != NULL:
                row.rooted_newer.rooted_older = row.rooted_older
            else:
                self.rooted_newest = row.rooted_older
        self.traces -= 1
        self.spans -= row.count
        self.held_bytes -= sizeof(Wait) + self.seen_count * sizeof(int64_t)
        while chunk != NULL:
            after = chunk_at(chunk).next
            self.held_bytes -= _chunk_bytes(chunk)
            _let_go(chunk)
            chunk = after
        free(row)

    cdef void append(self, Wait *row, PyObject *chunk) noexcept:
        """Append a chunk, whose reference the row takes over."""
        if row.last != NULL:
            chunk_at(row.last).next = chunk
        else:
            row.first = chunk
        row.last = chunk
        self.held_bytes += _chunk_bytes(chunk)

    cdef Wait *next_due(self, int64_t arrived_until_ns, int64_t rooted_until_ns, int *trigger) noexcept:
        """Return a trace that is due; NULL if there is none."""
        if self.oldest != NULL and self.oldest.arrived_ns <= arrived_until_ns:
            trigger[0] = 1
            return self.oldest
        if self.rooted_oldest != NULL and self.rooted_oldest.root_received_ns <= rooted_until_ns:
            trigger[0] = 2
            return self.rooted_oldest
        return NULL

    cdef tuple values_of(self, Wait *row):
        """Return a row as a tuple; `compiled_sampler.py` makes a `BufferedTrace` of it."""
        cdef list seen = [row.seen[i] for i in range(self.seen_count)]
        return (
            row.high, row.low, row.start_ns, row.end_ns, row.statuses, row.flags, row.count, row.size_bytes, row.wrapped_bytes,
            row.arrived_ns, row.root_received_ns, row.has_trace_state, row.tells, row.randomness if row.explicit else None, row.bits, seen,
        )


cdef bytes record_of(Wait *row, int seen_count, uint64_t time_ns, int trigger, const uint64_t *more, int more_count):
    """Return a record: 16 numbers, what the leaves that look at each span saw, and more numbers."""
    cdef bytes record = PyBytes_FromStringAndSize(NULL, (16 + seen_count + more_count) * sizeof(uint64_t))
    cdef uint64_t *at = <uint64_t *>PyBytes_AS_STRING(record)
    at[0], at[1], at[2], at[3] = row.high, row.low, row.start_ns, row.end_ns
    at[4], at[5], at[6], at[7] = row.statuses, row.flags, row.count, row.size_bytes
    at[8], at[9], at[10], at[11] = row.wrapped_bytes, time_ns, trigger, row.has_trace_state
    at[12], at[13], at[14], at[15] = row.tells, row.explicit, row.randomness, row.bits
    memcpy(at + 16, row.seen, seen_count * sizeof(int64_t))
    if more_count:
        memcpy(at + 16 + seen_count, more, more_count * sizeof(uint64_t))
    return record


# --- their spans -------------------------------------------------------------------------------------------------------


cdef bytes chunk_of(Batch batch, Group *group):
    """Return a copy of the spans of a trace, run by run. Only `Rows` may free it."""
    cdef Py_ssize_t size = sizeof(Chunk), i = group.first
    cdef int32_t origin = -1
    cdef Row *each
    cdef char *at
    cdef Run *run = NULL
    cdef uint32_t length
    cdef bytes chunk
    while i >= 0:
        each = &batch.rows[i]
        if each.origin != origin:
            batch.origin_of(each)  # if the batch was released, raise before a reference is taken
            origin = each.origin
            size += sizeof(Run)
        size += 4 + each.span.size
        i = each.next
    chunk = PyBytes_FromStringAndSize(NULL, size)
    at = PyBytes_AS_STRING(chunk)
    _head_of(at)
    at += sizeof(Chunk)
    origin, i = -1, group.first
    while i >= 0:
        each = &batch.rows[i]
        if each.origin != origin:
            origin = each.origin
            around = batch.origin_of(each)
            at = _next_run(at, <object>around[0], <object>around[1], &run)
        length = <uint32_t>each.span.size
        memcpy(at, &length, 4)
        memcpy(at + 4, each.span.at, length)
        at += 4 + length
        _add_to_run(run, length)
        i = each.next
    return chunk


cdef bytes empty_chunk():
    """Return a chunk for `hold_objects`."""
    cdef bytes chunk = PyBytes_FromStringAndSize(NULL, sizeof(Chunk))
    _head_of(PyBytes_AS_STRING(chunk))
    return chunk


cdef void hold_objects(bytes chunk, list spans) noexcept:
    """Let an empty chunk hold spans that are objects already, or unusual. From now on only `Rows` may free it."""
    cdef Chunk *head = chunk_at(<PyObject *>chunk)
    Py_INCREF(spans)
    head.objects = <PyObject *>spans
    for span in spans:
        head.objects_bytes += (<Head>span).size if isinstance(span, Head) else 0


cdef list spans_of(Wait *row, type kind):
    """Return the spans of a trace as objects, which have their bytes in common."""
    cdef list spans = []
    cdef PyObject *chunk = row.first
    while chunk != NULL:
        if chunk_at(chunk).objects != NULL:
            spans += <list>chunk_at(chunk).objects
        else:
            _read_chunk(<bytes>chunk, id_of(row), kind, spans)
        chunk = chunk_at(chunk).next
    return spans


cdef int _read_chunk(bytes chunk, trace_id, type kind, list spans) except -1:
    cdef bytes held = PyBytes_FromStringAndSize(PyBytes_AS_STRING(chunk) + sizeof(Chunk), PyBytes_GET_SIZE(chunk) - sizeof(Chunk))
    cdef Bytes at = <Bytes>PyBytes_AS_STRING(held)
    cdef Bytes end = at + PyBytes_GET_SIZE(held)
    cdef Bytes id_at = NULL
    cdef Span span
    cdef Run run
    cdef Head head
    cdef uint32_t i, length
    cdef Texts names = Texts(), states = Texts()
    while at < end:
        memcpy(&run, at, sizeof(Run))
        memset(<void *>at, 0, 2 * sizeof(PyObject *))  # addresses must not leave with the bytes
        at += sizeof(Run)
        for i in range(run.count):
            memcpy(&length, at, 4)
            at += 4
            if not read_span(&span, &id_at, at, at + length, names, states):
                raise RuntimeError("a span that was read once cannot be read")
            head = make_head(kind)
            head.hold(held, span.at, span.size)
            head.name = names.read(span.name, span.name_size)
            head.trace_state = states.read(span.at + span.state_at, span.state_size)
            head.resource, head.scope, head.trace_id = <object>run.resource, <object>run.scope, trace_id
            head.span_id, head.parent_id = span.span_id, span.parent_id
            head.start_ns, head.end_ns, head.kind, head.flags = span.start_ns, span.end_ns, span.kind, span.flags
            head.status, head.has_status = span.status, span.has_status
            head.pairs_at = span.pairs_at
            spans.append(head)
            at += length
    return 0


cdef inline int64_t _chunk_bytes(PyObject *chunk) noexcept:
    return PyBytes_GET_SIZE(<object>chunk) + chunk_at(chunk).objects_bytes


cdef inline void _head_of(char *at) noexcept:
    cdef Chunk head
    head.next = head.objects = NULL
    head.objects_bytes = 0
    memcpy(at, &head, sizeof(Chunk))


cdef inline char *_next_run(char *at, object resource, object scope, Run **run) noexcept:
    cdef Run begun
    begun.resource, begun.scope = <PyObject *>resource, <PyObject *>scope
    begun.count = begun.size = 0
    Py_INCREF(resource)
    Py_INCREF(scope)
    memcpy(at, &begun, sizeof(Run))
    run[0] = <Run *>at
    return at + sizeof(Run)


cdef inline void _add_to_run(Run *run, uint32_t length) noexcept:
    cdef Run grown
    memcpy(&grown, run, sizeof(Run))
    grown.count += 1
    grown.size += 4 + length
    memcpy(run, &grown, sizeof(Run))


cdef void _let_go(PyObject *chunk) noexcept:
    """Free a chunk, and release what it holds."""
    cdef char *at = PyBytes_AS_STRING(<object>chunk)
    cdef char *end = at + PyBytes_GET_SIZE(<object>chunk)
    cdef Run run
    if chunk_at(chunk).objects != NULL:
        Py_DECREF(<object>chunk_at(chunk).objects)
    else:
        at += sizeof(Chunk)
        while at < end:
            memcpy(&run, at, sizeof(Run))
            Py_DECREF(<object>run.resource)
            Py_DECREF(<object>run.scope)
            at += sizeof(Run) + run.size
    Py_DECREF(<object>chunk)
