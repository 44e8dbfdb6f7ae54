"""Pending traces: a row each, and their spans as bytes."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from otel_fe.compiled.batches cimport Batch, Group, Row
from otel_fe.compiled.prefetch cimport prefetch
from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.segments cimport Segment, Segments
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span, Texts, make_head, read_span
from otel_fe.compiled.traces cimport DecisionTable, key_of_id, place_of_id

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    AHEAD = 4  # traces between two hints to the processor: a few hundred nanoseconds, as long as memory takes


@cython.final
@cython.no_gc_clear
cdef class Rows:
    """A hash table of pending traces, which are also in order of arrival, and in order of the arrival of their roots.

    Args:
        seen_count: The number of leaves that look at each span, and of the words of leaves after the first.
        segments: Where the bytes of spans are kept.
    """

    def __cinit__(self, int seen_count, Segments segments not None):
        self.oldest = self.newest = self.rooted_oldest = self.rooted_newest = NULL
        self.seen_count, self.segments = seen_count, segments
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
        self.free_pieces(row.first)
        free(row)

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

    cdef list due(self, int64_t arrived_until_ns, int64_t rooted_until_ns):
        """Return the rows that are due, as tuples, in order of arrival, and whether each waited after its root."""
        cdef list found = []
        cdef Wait *row = self.oldest
        while row != NULL and row.arrived_ns <= arrived_until_ns:
            found.append((self.values_of(row), False))
            row = row.newer
        row = self.rooted_oldest
        while row != NULL and row.root_received_ns <= rooted_until_ns:
            if row.arrived_ns > arrived_until_ns:
                found.append((self.values_of(row), True))
            row = row.rooted_newer
        return found

    cdef list ids(self):
        """Return the ids of all traces, the oldest first."""
        cdef list found = []
        cdef Wait *row = self.oldest
        while row != NULL:
            found.append(id_of(row))
            row = row.newer
        return found

    cdef Py_ssize_t longest(self) noexcept:
        """Return the most traces at one place of the table."""
        cdef Py_ssize_t place, count, most = 0
        cdef Wait *row
        for place in range(<Py_ssize_t>1 << (64 - self.shift)):
            count, row = 0, self.table[place]
            while row != NULL:
                count += 1
                row = row.chained
            most = max(most, count)
        return most

    # --- hints to the processor ----------------------------------------------------------------------------------------

    cdef void prefetch_groups(self, Batch batch, Py_ssize_t which, DecisionTable decided) noexcept:
        """Have the processor load what traces after one of a request will read.

        Each step reads what the one before has had loaded: the place in the table, the row, its last piece.
        """
        cdef Py_ssize_t ahead = which + 3 * AHEAD
        cdef Group *group
        cdef Wait *row
        if ahead < batch.groups_count:
            group = &batch.groups[ahead]
            self.prefetch_place(group.high, group.low)
            decided.prefetch(key_of_id(group.high, group.low))
        ahead -= AHEAD
        if ahead < batch.groups_count:
            row = self.first_at(batch.groups[ahead].high, batch.groups[ahead].low)
            if row != NULL:
                prefetch_row(row)
        ahead -= AHEAD
        if ahead < batch.groups_count:
            row = self.first_at(batch.groups[ahead].high, batch.groups[ahead].low)
            if row != NULL:
                prefetch(row.last)

    cdef void prefetch_due(self, Wait *row, DecisionTable decided) noexcept:
        """Have the processor load what the decisions on the traces that arrived after one will read."""
        cdef Wait *after = row.newer
        if after == NULL:
            return
        if after.first != NULL:
            prefetch(after.first.segment)
            prefetch(after.first.next)
        after = after.newer
        if after == NULL:
            return
        prefetch(after.first)
        self.prefetch_place(after.high, after.low)
        decided.prefetch(key_of_id(after.high, after.low))
        if after.newer != NULL:
            prefetch_row(after.newer)

    # --- their spans ---------------------------------------------------------------------------------------------------

    cdef int append_spans(self, Wait *row, Batch batch, Group *group, bint lasting, int64_t now_ns) except -1:
        """Copy the spans of a trace from a request: all of them, or none if an error is raised."""
        cdef Piece *first = NULL
        cdef Piece *last = NULL
        cdef Piece *piece
        cdef Py_ssize_t which = group.first
        try:
            while which >= 0:
                piece = self.copy_run(batch, &which, lasting, now_ns)
                if last == NULL:
                    first = piece
                else:
                    last.next = piece
                last = piece
                self.held_bytes += sizeof(Piece)
        except BaseException:
            self.free_pieces(first)
            raise
        self.append(row, first, last)
        return 0

    cdef Piece *copy_run(self, Batch batch, Py_ssize_t *which, bint lasting, int64_t now_ns) except NULL:
        """Copy the spans that have one resource and scope, from one on, and move on to the one after them."""
        cdef int32_t origin = batch.rows[which[0]].origin
        cdef tuple around = batch.origin_of(&batch.rows[which[0]])
        cdef Py_ssize_t i = which[0]
        cdef int64_t size = 0
        cdef Row *each
        cdef Segment *segment
        cdef Piece *piece = make_piece()
        cdef char *at
        cdef uint32_t length
        while i >= 0 and batch.rows[i].origin == origin:
            size += 4 + batch.rows[i].span.size
            piece.count += 1
            i = batch.rows[i].next
        try:
            segment = self.segments.room_for(size, lasting, now_ns)
        except BaseException:
            free(piece)
            raise
        piece.segment, piece.at, piece.size = segment, <uint32_t>segment.used, size
        at = segment.bytes + segment.used
        segment.used += size
        segment.pieces += 1
        i = which[0]
        while i >= 0 and batch.rows[i].origin == origin:
            each = &batch.rows[i]
            length = <uint32_t>each.span.size
            memcpy(at, &length, 4)
            memcpy(at + 4, each.span.at, length)
            at += 4 + length
            i = each.next
        which[0] = i
        resource, scope = around[0], around[1]
        Py_INCREF(resource)
        Py_INCREF(scope)
        piece.resource, piece.scope = <PyObject *>resource, <PyObject *>scope
        return piece

    cdef void append_objects(self, Wait *row, Piece *piece, list spans) noexcept:
        """Append spans that are objects already, or unusual, in a piece that is new."""
        Py_INCREF(spans)
        piece.scope = <PyObject *>spans
        for span in spans:
            piece.size += (<Head>span).size if isinstance(span, Head) else 0
        self.held_bytes += sizeof(Piece) + piece.size
        self.append(row, piece, piece)

    cdef void append(self, Wait *row, Piece *first, Piece *last) noexcept:
        if row.last != NULL:
            row.last.next = first
        else:
            row.first = first
        row.last = last

    cdef void free_pieces(self, Piece *piece) noexcept:
        """Free a piece and those after it, and release what they hold."""
        cdef Piece *after
        while piece != NULL:
            after = piece.next
            self.held_bytes -= sizeof(Piece)
            if piece.segment == NULL:
                self.held_bytes -= piece.size
            else:
                self.segments.release(piece.segment)
                Py_DECREF(<object>piece.resource)
            Py_DECREF(<object>piece.scope)
            free(piece)
            piece = after

    cdef list spans_of(self, Wait *row, type kind):
        """Return the spans of a trace as objects; those that arrived together have their bytes in common."""
        cdef list spans = []
        cdef Piece *piece = row.first
        trace_id = id_of(row)
        while piece != NULL:
            if piece.segment == NULL:
                spans += <list>piece.scope
            else:
                self.read_piece(piece, trace_id, kind, spans)
            piece = piece.next
        return spans

    cdef int read_piece(self, Piece *piece, trace_id, type kind, list spans) except -1:
        cdef bytes held = PyBytes_FromStringAndSize(self.segments.read(piece.segment) + piece.at, piece.size)
        cdef Bytes at = <Bytes>PyBytes_AS_STRING(held)
        cdef Bytes id_at = NULL
        cdef Span span
        cdef Head head
        cdef uint32_t i, length
        cdef Texts names = Texts(), states = Texts()
        for i in range(piece.count):
            memcpy(&length, at, 4)
            at += 4
            if not read_span(&span, &id_at, at, at + length, names, states):
                raise RuntimeError("a span that was read once cannot be read")
            head = make_head(kind)
            head.hold(held, span.at, span.size)
            head.name = names.read(span.name, span.name_size)
            head.trace_state = states.read(span.at + span.state_at, span.state_size)
            head.resource, head.scope, head.trace_id = <object>piece.resource, <object>piece.scope, trace_id
            head.span_id, head.parent_id = span.span_id, span.parent_id
            head.start_ns, head.end_ns, head.kind, head.flags = span.start_ns, span.end_ns, span.kind, span.flags
            head.status, head.has_status = span.status, span.has_status
            head.pairs_at = span.pairs_at
            spans.append(head)
            at += length
        return 0


cdef Piece *make_piece() except NULL:
    """Return an empty piece."""
    cdef Piece *piece = <Piece *>calloc(1, sizeof(Piece))
    if piece == NULL:
        raise MemoryError
    return piece


cdef bytes record_of(Wait *row, int seen_count, uint64_t time_ns, int trigger, const uint64_t *more, int more_count):
    """Return a record: 16 numbers, what the leaves that look at each span saw with the further words of bits, and more numbers."""
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
