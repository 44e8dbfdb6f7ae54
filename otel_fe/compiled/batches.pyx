"""The spans of a request by trace: they stay in its bytes, and become objects one by one, on demand."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from otel_fe.compiled.reading cimport Bytes, big_endian, framed, read_size
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span, Texts, make_head, read_span
from otel_fe.compiled.traces cimport place_of_id

SOURCES = OTEL_FE_SOURCES.decode()

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *held)

cdef enum:
    MOST_ORIGINS = 99_000  # resources and scopes in a request; with more it is unusual, and the plain decoder refuses too many
    MOST_PARTS = 16  # fields of a resource or a scope in its request, beside what it encloses


cdef bint next_field(Bytes *at, Bytes end, int holds, Bytes *begin, list parts) except -1:
    """Move behind one field of a message; return False if it is unusual.

    Args:
        at: The beginning of the field, then its end.
        end: The end of the message.
        holds: The tag of the fields whose content is wanted.
        begin: Set to the beginning of such a field's content, which ends with the field; NULL for any other field.
        parts: Receives all other fields, encoded.
    """
    cdef Bytes field = at[0]
    cdef Bytes p = field + 1
    cdef int tag = field[0]
    cdef int64_t size
    if tag != holds and tag != 0x0A and tag != 0x1A:
        return False
    size = read_size(&p, end)
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


@cython.final
@cython.no_gc
cdef class Batch:
    """The spans of a request by trace, in use until `release`.

    A callback may release it, too: work in progress then raises an error when it needs more of it. Rows and groups stay allocated;
    code that reads the bytes they point at holds a reference to `payload` while it calls back.

    Objects for all spans would touch twice the memory; with cold caches after a pause, touching memory is what takes time.
    """

    def __cinit__(self, bytes payload not None, type kind not None, trace_kind):
        if not issubclass(kind, Head):
            raise TypeError(f"{kind.__name__} is no Head")
        self.payload, self.kind, self.trace_kind = payload, kind, trace_kind
        self.names, self.states = Texts(), Texts()
        self.origins, self.heads = [], []
        self.scope, self.scope_frame = None, b""
        self.room = 16 + PyBytes_GET_SIZE(payload) // 256
        self.rows = <Row *>malloc(self.room * sizeof(Row))
        self.grow_groups(64)
        if self.rows == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.rows)
        free(self.groups)
        free(self.places)

    # --- reading -------------------------------------------------------------------------------------------------------

    cdef bint read(self, resources, scopes) except -1:
        """Read the request; return False if it is unusual."""
        cdef Bytes p = <Bytes>PyBytes_AS_STRING(self.payload)
        cdef Bytes end = p + PyBytes_GET_SIZE(self.payload)
        cdef Bytes begin = NULL
        cdef int number = 0
        while p < end:
            if self.is_full(number) or p[0] != 0x0A or not next_field(&p, end, 0x0A, &begin, None):
                return False
            if not self.read_resource(begin, p, number, resources, scopes):
                return False
            number += 1
        return True

    cdef bint read_resource(self, Bytes start, Bytes end, int number, resources, scopes) except -1:
        cdef Bytes p = start
        cdef Bytes begin = NULL
        cdef list frame = []
        while p < end:
            if not next_field(&p, end, 0x12, &begin, frame):
                return False
        resource = resources[b"".join(frame)]
        p = start
        while p < end:
            next_field(&p, end, 0x12, &begin, None)
            if begin != NULL and not self.read_scope(begin, p, resource, number, scopes):
                return False
        return True

    cdef bint read_scope(self, Bytes p, Bytes end, resource, int number, scopes) except -1:
        cdef Bytes begin = NULL
        cdef list frame = []
        cdef Py_ssize_t expected = 0
        if self.is_full(number):
            return False
        while p < end:
            if not next_field(&p, end, 0x12, &begin, frame):
                return False
            if begin != NULL:
                expected = self.read_one(begin, p, expected)
                if expected < 0:
                    return False
        encoded = b"".join(frame)
        if self.scope is None or encoded != self.scope_frame:
            self.scope, self.scope_frame = scopes[encoded], encoded
        self.origins.append((resource, self.scope, number))
        return True

    cdef bint is_full(self, int resources) noexcept:
        return resources + PyList_GET_SIZE(self.origins) >= MOST_ORIGINS

    cdef Py_ssize_t read_one(self, Bytes begin, Bytes end, Py_ssize_t expected) except -2:
        """Add a span, probably of the expected trace; return the trace that the next is expected of, -1 if the span is unusual."""
        cdef Bytes trace_id = NULL
        cdef Row *row
        cdef Group *group
        cdef Py_ssize_t which
        if self.count == self.room:
            self.grow()
        row = &self.rows[self.count]
        if not read_span(&row.span, &trace_id, begin, end, self.names, self.states):
            return -1
        row.origin, row.next, row.made = <int32_t>PyList_GET_SIZE(self.origins), -1, 0
        which = self.group_of(trace_id, expected)
        group = &self.groups[which]
        if group.count:
            self.rows[group.last].next = <int32_t>self.count
        else:
            group.first = <int32_t>self.count
        group.last = <int32_t>self.count
        group.count += 1
        self.count += 1
        self.left += 1
        return which + 1

    cdef Py_ssize_t group_of(self, Bytes trace_id, Py_ssize_t expected) except -1:
        """Return the number of a trace, a new one if the id is new.

        Scopes mostly have the same traces in the same order, and spans of a trace are mostly consecutive.
        """
        cdef uint64_t high = big_endian(trace_id), low = big_endian(trace_id + 8), place, mask
        cdef Py_ssize_t which
        if expected and self.is_of(expected - 1, high, low):
            return expected - 1
        if expected < self.groups_count and self.is_of(expected, high, low):
            return expected
        if self.groups_count == self.groups_room:
            self.grow_groups(2 * self.groups_room)
        mask = ((<uint64_t>1) << 64 - self.places_shift) - 1
        place = place_of_id(high, low, self.places_shift)
        while self.places[place]:
            which = self.places[place] - 1
            if self.is_of(which, high, low):
                return which
            place = place + 1 & mask
        which = self.groups_count
        self.places[place] = <int32_t>(which + 1)
        memset(&self.groups[which], 0, sizeof(Group))
        self.groups[which].id, self.groups[which].high, self.groups[which].low = trace_id, high, low
        self.groups_count += 1
        return which

    cdef int grow(self) except -1:
        cdef Row *more = <Row *>realloc(self.rows, 2 * self.room * sizeof(Row))
        if more == NULL:
            raise MemoryError
        self.rows = more
        self.room *= 2
        return 0

    cdef int grow_groups(self, Py_ssize_t room) except -1:
        cdef Group *more
        cdef Py_ssize_t which
        cdef uint64_t place, mask
        more = <Group *>realloc(self.groups, room * sizeof(Group))
        if more == NULL:
            raise MemoryError
        self.groups, self.groups_room = more, room
        free(self.places)
        self.places_shift = 63
        while <Py_ssize_t>1 << 64 - self.places_shift < 2 * room:
            self.places_shift -= 1
        mask = ((<uint64_t>1) << 64 - self.places_shift) - 1
        self.places = <int32_t *>calloc(mask + 1, sizeof(int32_t))
        if self.places == NULL:
            raise MemoryError
        for which in range(self.groups_count):
            place = place_of_id(self.groups[which].high, self.groups[which].low, self.places_shift)
            while self.places[place]:
                place = place + 1 & mask
            self.places[place] = <int32_t>(which + 1)
        return 0

    # --- spans and traces as objects -----------------------------------------------------------------------------------

    cdef Head head(self, Row *row, trace_id):
        """Return the object of a span, always the same one."""
        cdef Head head
        cdef Span *span = &row.span
        cdef tuple origin = self.origin_of(row)
        cdef bytes payload = self.payload
        if row.made:
            return <Head>PyList_GET_ITEM(self.heads, row.made - 1)
        head = make_head(self.kind)
        head.hold(payload, span.at, span.size)
        head.name = self.names.read(span.name, span.name_size)
        head.trace_state = self.state_of(row)
        head.resource, head.scope, head.trace_id = origin[0], origin[1], trace_id
        head.span_id, head.parent_id = span.span_id, span.parent_id
        head.start_ns, head.end_ns, head.kind, head.flags = span.start_ns, span.end_ns, span.kind, span.flags
        head.status, head.has_status = span.status, span.has_status
        head.pairs_at = span.pairs_at
        self.heads.append(head)
        row.made = <int32_t>PyList_GET_SIZE(self.heads)
        return head

    cdef object trace(self, Group *group):
        """Return a new object for a trace, with its spans."""
        cdef Py_ssize_t i = group.first
        trace_id = self.id_of(group)
        trace = self.trace_kind(trace_id)
        spans = trace.spans
        while i >= 0:
            spans.append(self.head(&self.rows[i], trace_id))
            i = self.rows[i].next
        trace.size_bytes = group.size_bytes
        return trace

    @property
    def traces(self):
        """Its traces, in order of arrival."""
        return Traces(self)

    @property
    def spans(self):
        """All spans, trace by trace."""
        return Spans(self)

    @property
    def accepted(self):
        """The number of spans in it."""
        return self.left

    @property
    def rejected(self):
        """The number of rejected spans: 0, since a request with any is unusual."""
        return 0

    @property
    def message(self):
        """The reason for rejections: empty."""
        return ""

    def measure(self):
        """Set the size of each trace: its spans, with their resources and scopes."""
        cdef Py_ssize_t which
        for which in range(self.groups_count):
            self.groups[which].size_bytes = self.size_of(&self.groups[which])

    cdef int64_t size_of(self, Group *group) except -1:
        """Return the size of a trace. The spans of a scope are consecutive, and so are the scopes of a resource."""
        cdef int64_t size = 0, of_scope = 0
        cdef int32_t number = -1, origin = -1
        cdef Py_ssize_t i = group.first
        cdef Row *row
        while i >= 0:
            row = &self.rows[i]
            if row.origin != origin:
                resource, scope, of_resource = self.origin_of(row)
                size += framed(of_scope) if origin >= 0 else 0
                if <int32_t>of_resource != number:
                    size += <int64_t>resource.size_bytes
                origin, number, of_scope = row.origin, of_resource, scope.size_bytes
            of_scope += framed(row.span.size + (0 if row.span.parent_id else 2) + (0 if row.span.has_status else 2))
            i = row.next
        return size + framed(of_scope)

    def release(self):
        """Release the request, and the messages that protobuf has parsed for attributes that were read.

        Spans with other references to them keep a copy of their own bytes; all others are freed.
        """
        cdef PyObject *each
        cdef Head head
        cdef Py_ssize_t i
        cdef list heads = self.heads
        self.count = self.groups_count = 0
        self.heads, self.origins, self.scope = [], [], None
        for i in range(PyList_GET_SIZE(heads)):
            each = PyList_GET_ITEM(heads, i)
            if Py_REFCNT(each) > 1:
                head = <Head>each
                head.own()
                if head.made is not None:
                    head.made.head = head.made.pairs = None
        self.payload = b""


@cython.final
@cython.no_gc
cdef class Spans:
    """The spans of a batch, trace by trace: an iterable of objects; compiled code reads the rows behind it instead."""

    def __cinit__(self, Batch batch not None):
        self.batch = batch

    def __iter__(self):
        return iter([span for trace in Traces(self.batch) for span in trace.spans])


@cython.final
@cython.no_gc
cdef class Traces:
    """The traces of a batch."""

    def __cinit__(self, Batch batch not None):
        self.batch = batch

    cdef list made(self):
        cdef Py_ssize_t which
        cdef Batch batch = self.batch
        return [batch.trace(&batch.groups[which]) for which in range(batch.groups_count) if batch.groups[which].count]

    def __iter__(self):
        return iter(self.made())

    def __len__(self):
        cdef Py_ssize_t which
        return sum([1 for which in range(self.batch.groups_count) if self.batch.groups[which].count])

    def __getitem__(self, index):
        return self.made()[index]


def batch_of(bytes payload not None, resources, scopes, type kind not None, trace_kind):
    """Return the spans of an encoded `ExportTraceServiceRequest`; None if anything is unusual.

    Args:
        payload: The request.
        resources: Resources by the fields that a `ResourceSpans` has beside its scopes, encoded.
        scopes: Scopes by the fields that a `ScopeSpans` has beside its spans, encoded.
        kind: The class of a span's object, below `Head`.
        trace_kind: Makes a trace, given its id.

    Raises:
        UnicodeDecodeError: A text is no UTF-8, which is unusual, too.
        WireError: `resources` or `scopes` raised it.
    """
    batch = Batch(payload, kind, trace_kind)
    return batch if batch.read(resources, scopes) else None
