# What a request held, by trace: its spans stay where they came, and become objects one by one, when somebody wants one.


cdef struct Row:
    Span span
    int32_t origin  # which resource and scope are around it
    int32_t next  # of the same trace; -1 for the last
    int32_t made  # 1 + which of the objects it has become; 0 for none


cdef struct Group:  # a trace
    Bytes id  # where it stands in the request
    uint64_t high  # of it
    uint64_t low
    int64_t size_bytes
    int32_t first
    int32_t last
    int32_t count  # of its spans; 0 once it was taken out


cdef uint64_t _SECOND_SALT = int.from_bytes(os.urandom(8), "big") | 1


cdef inline uint64_t _place(uint64_t high, uint64_t low, int shift) noexcept:
    """Return where an id's place would be. Senders choose ids, and must not know which share one.

    The halves are not just multiplied and added: of ids whose halves are both multiples of 2**54, 1024 would share each sum.
    """
    high *= _SALT
    return ((high ^ high >> 32) + low) * _SECOND_SALT >> shift


@cython.final
@cython.no_gc
cdef class Batch:
    """The spans of a request, by trace. In no cycle. All that it does may be done until `release`.

    Whoever is called back may release it, too: then whatever is at work ends with an error where it needs more of it. Rows and groups
    stay where they are; whoever reads what they point at holds `payload` himself while he calls anybody.

    Objects for all spans would touch twice the memory, and after a pause, with all caches cold, touching memory is what takes time.
    """

    cdef bytes payload
    cdef type kind
    cdef object trace_kind
    cdef _Texts names
    cdef _Texts states
    cdef list origins  # resource, scope, and the number of the `ResourceSpans`
    cdef list heads
    cdef Row *rows
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef Py_ssize_t left  # without those of traces that were taken out
    cdef Group *groups
    cdef Py_ssize_t groups_count
    cdef Py_ssize_t groups_room
    cdef int32_t *places  # by hash of the trace's id: 1 + which group; open addressing, half full at the most
    cdef int places_shift

    def __cinit__(self, bytes payload not None, type kind not None, trace_kind):
        if not issubclass(kind, Head):
            raise TypeError(f"{kind.__name__} is no Head")
        self.payload, self.kind, self.trace_kind = payload, kind, trace_kind
        self.names, self.states = _Texts(), _Texts()
        self.origins, self.heads = [], []
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
        """Read the request; False where it is unusual."""
        cdef Bytes p = <Bytes>PyBytes_AS_STRING(self.payload)
        cdef Bytes end = p + PyBytes_GET_SIZE(self.payload)
        cdef Bytes begin = NULL
        cdef int number = 0
        while p < end:
            if self.is_full(number) or p[0] != 0x0A or not _next(&p, end, 0x0A, &begin, None):
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
            if not _next(&p, end, 0x12, &begin, frame):
                return False
        resource = resources[b"".join(frame)]
        p = start
        while p < end:
            _next(&p, end, 0x12, &begin, None)
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
            if not _next(&p, end, 0x12, &begin, frame):
                return False
            if begin != NULL:
                expected = self.read_span(begin, p, expected)
                if expected < 0:
                    return False
        self.origins.append((resource, scopes[b"".join(frame)], number))
        return True

    cdef inline bint is_full(self, int resources) noexcept:
        return resources + PyList_GET_SIZE(self.origins) >= MOST_ORIGINS

    cdef Py_ssize_t read_span(self, Bytes begin, Bytes end, Py_ssize_t expected) except -2:
        """Add a span, whose trace is expected to be a certain one; return which the next one's will be, -1 where it is unusual."""
        cdef Bytes trace_id = NULL
        cdef Row *row
        cdef Group *group
        cdef Py_ssize_t which
        if self.count == self.room:
            self.grow()
        row = &self.rows[self.count]
        if not _read(&row.span, &trace_id, begin, end, self.names, self.states):
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
        """Return which trace has an id, a new one where there is none.

        Scopes mostly have the same traces, in the same order, and those of one stand together.
        """
        cdef uint64_t high = _big(trace_id), low = _big(trace_id + 8), place, mask
        cdef Py_ssize_t which
        if expected and self.is_of(expected - 1, high, low):
            return expected - 1
        if expected < self.groups_count and self.is_of(expected, high, low):
            return expected
        if self.groups_count == self.groups_room:
            self.grow_groups(2 * self.groups_room)
        mask = ((<uint64_t>1) << 64 - self.places_shift) - 1
        place = self.place_of(high, low)
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

    cdef inline bint is_of(self, Py_ssize_t which, uint64_t high, uint64_t low) noexcept:
        return self.groups[which].low == low and self.groups[which].high == high

    cdef inline uint64_t place_of(self, uint64_t high, uint64_t low) noexcept:
        return _place(high, low, self.places_shift)

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
            place = self.place_of(self.groups[which].high, self.groups[which].low)
            while self.places[place]:
                place = place + 1 & mask
            self.places[place] = <int32_t>(which + 1)
        return 0

    # --- spans and traces as objects -----------------------------------------------------------------------------------

    cdef inline tuple origin_of(self, Row *row):
        """Return what stands around a span; an error where the batch was released meanwhile."""
        if row.origin >= PyList_GET_SIZE(self.origins):
            raise RuntimeError("the batch was released by somebody who was called while it was worked off")
        return <tuple>PyList_GET_ITEM(self.origins, row.origin)

    cdef inline object resource_of(self, Row *row):
        return self.origin_of(row)[0]

    cdef inline str state_of(self, Row *row):
        return self.states.read(row.span.at + row.span.state_at, row.span.state_size)

    cdef object id_of(self, Group *group):
        return (<object>group.high) << 64 | group.low

    cdef inline bytes key_of(self, Group *group):
        """Return what dictionaries have a trace under: the bytes of its id."""
        return PyBytes_FromStringAndSize(<const char *>group.id, 16)

    cdef Head head(self, Row *row, trace_id):
        """Return a span as an object, always the same one."""
        cdef Head head
        cdef Span *span = &row.span
        cdef tuple origin = self.origin_of(row)
        cdef bytes payload = self.payload
        if row.made:
            return <Head>PyList_GET_ITEM(self.heads, row.made - 1)
        head = _made(self.kind)
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
        """Return a trace as an object, another one every time."""
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
        """Its traces, in the order in which they came."""
        return Traces(self)

    @property
    def spans(self):
        """All spans, trace by trace."""
        return Spans(self)

    @property
    def accepted(self):
        """How many those are."""
        return self.left

    @property
    def rejected(self):
        """None: a request where some would be is unusual."""
        return 0

    @property
    def message(self):
        """Nothing is to be told about those."""
        return ""

    def take(self, uint64_t worker, uint64_t workers):
        """Take the traces out that one of several workers decides."""
        cdef Py_ssize_t which
        cdef Group *group
        cdef list taken = []
        if not workers:
            raise ValueError("there are no workers")
        for which in range(self.groups_count):
            group = &self.groups[which]
            if group.count and (group.high ^ group.low) % workers == worker:
                taken.append(self.trace(group))
                self.left -= group.count
                group.count = 0
        return taken

    def measure(self):
        """Count the bytes of each trace, with its part of what is around its spans."""
        cdef Py_ssize_t which
        for which in range(self.groups_count):
            self.groups[which].size_bytes = self.size_of(&self.groups[which])

    cdef int64_t size_of(self, Group *group) except -1:
        """Return how many those are. The spans of a scope stand together, and so do the scopes of a resource."""
        cdef int64_t size = 0, of_scope = 0
        cdef int32_t number = -1, origin = -1
        cdef Py_ssize_t i = group.first
        cdef Row *row
        while i >= 0:
            row = &self.rows[i]
            if row.origin != origin:
                resource, scope, of_resource = self.origin_of(row)
                size += _framed(of_scope) if origin >= 0 else 0
                if <int32_t>of_resource != number:
                    size += <int64_t>resource.size_bytes
                origin, number, of_scope = row.origin, of_resource, scope.size_bytes
            of_scope += _framed(row.span.size + (0 if row.span.parent_id else 2) + (0 if row.span.has_status else 2))
            i = row.next
        return size + _framed(of_scope)

    def release(self):
        """Let go of the request, and of what protobuf has parsed for whoever asked for attributes.

        Spans that somebody else holds become their bytes alone; all others go.
        """
        cdef PyObject *each
        cdef Head head
        cdef Py_ssize_t i
        cdef list heads = self.heads
        self.count = self.groups_count = 0
        self.heads, self.origins = [], []
        for i in range(PyList_GET_SIZE(heads)):
            each = PyList_GET_ITEM(heads, i)
            if Py_REFCNT(each) > 1:
                head = <Head>each
                head.own()
                if head.made is not None:
                    head.made.head = head.made.pairs = None
        self.payload = b""


cdef inline int64_t _framed(int64_t size) noexcept:
    """Return the bytes of a field of so many, with its tag and its length."""
    cdef int64_t rest = size >> 7
    size += 2
    while rest:
        rest >>= 7
        size += 1
    return size


@cython.final
@cython.no_gc
cdef class Spans:
    """The spans of a batch, trace by trace; those who are handed them either ask for objects or know better."""

    cdef Batch batch

    def __cinit__(self, Batch batch not None):
        self.batch = batch

    def __iter__(self):
        return iter([span for trace in Traces(self.batch) for span in trace.spans])


@cython.final
@cython.no_gc
cdef class Traces:
    """The traces of a batch."""

    cdef Batch batch

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
    """Return what an encoded `ExportTraceServiceRequest` holds; None where anything is unusual.

    Args:
        payload: The request.
        resources: By what a `ResourceSpans` has beside its scopes, encoded.
        scopes: By what a `ScopeSpans` has beside its spans, encoded.
        kind: What to make of a span: a class below `Head`.
        trace_kind: Makes a trace, given its id.

    Raises:
        UnicodeDecodeError: That is unusual, too.
        WireError: As `resources` and `scopes` do.
    """
    batch = Batch(payload, kind, trace_kind)
    return batch if batch.read(resources, scopes) else None
