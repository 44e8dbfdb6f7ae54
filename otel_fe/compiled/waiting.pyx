"""Tail sampling: pending traces, and their decisions. `pipeline/compiled_sampler.py` is built on it."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.list cimport PyList_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free

from otel_fe.compiled.batches cimport Batch, Group, Row, Traces
from otel_fe.compiled.leaves cimport Leaves, leaves_of
from otel_fe.compiled.outcomes cimport Outcomes
from otel_fe.compiled.rounds cimport Due, Rounds
from otel_fe.compiled.rows cimport Piece, Rows, Wait, id_of, make_piece, record_of
from otel_fe.compiled.segments cimport Segments
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span, may_tell
from otel_fe.compiled.traces cimport DecisionCache, key_of_id

SOURCES = OTEL_FE_SOURCES.decode()


@cython.final
cdef class Waiting:
    """Traces that wait for their decision. Not thread-safe. No callback may call it, except `make_room`.

    Args:
        words: For each 64 bits that leaves have, as `pipeline/policies/leaf_word.py` packs them: the kind and the numbers of each leaf; the
            names of the attributes that leaves read, one leaf's after another's; for each leaf that C can mostly evaluate on a span's
            bytes, its program, as for `Conditions`, and None for the others; what returns, given a resource and a scope, the facts
            that programs read of them as bits, and those that are not known, or None.
        kind: The class of a span's object, below `Head`.
        asked: Given the number of a leaf and a span, returns what the leaf saw as a number, ... if it does not match, or a tuple of
            the number of the error if it failed.
        told: Given a `tracestate`, returns the randomness that it states, or None; and whether it says how the span was sampled.
        decided: Given a row, returns the decision.
        final: Given a row, returns the decision if no later span can change it, or None.
        final_bits: The bits of leaves that can make a vote final, those of the first word lowest; 0 to keep nothing early.
        rooted: Whether traces wait after their root.
        pools: The budgets of limiters, as for `Rounds`.
        competing: Given a row and the number of a budget, returns whether the trace competes for it.
        segments: Where the bytes of spans are kept.
    """

    cdef Leaves leaves
    cdef Rows rows
    cdef Segments segments
    cdef Rounds rounds
    cdef type kind
    cdef Outcomes outcomes
    cdef int words  # of leaves
    cdef bint early  # whether a trace may be kept before it is due
    cdef bint rooted

    def __cinit__(
        self, words, type kind not None, asked, told, decided, final, final_bits, bint rooted, pools, competing, Segments segments not None,
    ):
        cdef Leaves last
        if not issubclass(kind, Head):
            raise ValueError(f"{kind.__name__} is no Head")
        last = self.leaves = leaves_of(words, asked, told, final_bits)
        while last.more is not None:
            last = last.more
        self.words, self.early = last.word + 1, final_bits != 0
        self.segments = segments
        # The words behind the first are what leaves saw, to all that keep a row or its record.
        self.rows = Rows(last.seen_count + last.word, segments)
        self.outcomes = Outcomes(self.words, decided, final, competing)
        self.rounds = Rounds(pools, self.outcomes)
        self.kind, self.rooted = kind, rooted

    # --- spans in ------------------------------------------------------------------------------------------------------

    def receive(
        self, traces, DecisionCache remembered not None, int64_t now_ns, uint64_t time_ns, int64_t limit, Py_ssize_t room, make_room, drop,
        list followed not None, list kept not None,
    ):
        """Take the traces of a batch. If anything raises, the lists hold what was done until then.

        Args:
            traces: The `Traces` of the batch.
            remembered: The decisions of traces that have been decided.
            now_ns: Monotonic time.
            time_ns: Unix time.
            limit: The most bytes of a trace; 0 for any number.
            room: The most traces that may wait.
            make_room: Decides one of them.
            drop: Given the row of a trace that is larger than `limit`, drops it. Its last spans are not in it.
            followed: Receives, for each trace that was decided before: the decision, the id, the spans if they are kept, the number of
                spans, and of errors among them.
            kept: Receives, for each trace that is kept: the id, the spans, the decision, the record.
        """
        cdef Batch batch = (<Traces?>traces).batch
        cdef bytes payload = batch.payload
        cdef Group *group
        cdef Wait *row
        cdef Py_ssize_t which
        cdef list known = [None] * (self.words * PyList_GET_SIZE(batch.origins))
        for which in range(batch.groups_count):
            self.rows.prefetch_groups(batch, which, remembered.now)
            group = &batch.groups[which]
            if not group.count:
                continue
            row = self.rows.find(group.high, group.low)
            if row == NULL:
                decision = remembered.get(key_of_id(group.high, group.low))
                if decision is not None:
                    followed.append(self.follow(batch, group, decision))
                    continue
                if self.rows.traces >= room:
                    make_room()
                row = self.rows.begin(group.high, group.low, now_ns)
            try:
                self.add(row, batch, group, known, now_ns)
            except BaseException:
                if not row.count:
                    self.rows.forget(row)
                raise
            if limit and row.size_bytes > limit:
                drop(self.rows.values_of(row))
                continue
            try:
                decision = self.final_of(row) if self.early else None
            except BaseException:
                self.rows.append_spans(row, batch, group, True, now_ns)  # its sums have them already
                raise
            if decision is None:
                self.rows.append_spans(row, batch, group, self.is_likely(row), now_ns)
                continue
            spans = self.rows.spans_of(row, self.kind)
            spans += batch.trace(group).spans
            remembered.put(key_of_id(group.high, group.low), decision)
            kept.append((batch.id_of(group), spans, decision, record_of(row, self.rows.seen_count, time_ns, 0, NULL, 0)))
            self.rows.forget(row)
        self.segments.compress_rested(now_ns)

    cdef tuple follow(self, Batch batch, Group *group, decision):
        cdef Py_ssize_t i = group.first, errors = 0
        while i >= 0:
            errors += batch.rows[i].span.status == 2
            i = batch.rows[i].next
        trace = batch.trace(group) if decision.sampled else None
        return decision, batch.id_of(group), None if trace is None else trace.spans, group.count, errors

    cdef int add(self, Wait *row, Batch batch, Group *group, list known, int64_t now_ns) except -1:
        """Add the spans of a trace to its sums."""
        cdef Span *span
        cdef Row *each
        cdef Py_ssize_t i = group.first
        cdef bint rooted = False
        cdef int64_t size
        cdef uint64_t open_leaves
        cdef Leaves leaves
        while i >= 0:
            each = &batch.rows[i]
            span = &each.span
            i = each.next
            if span.start_ns and (not row.start_ns or span.start_ns < row.start_ns):
                row.start_ns = span.start_ns
            if span.end_ns > row.end_ns:
                row.end_ns = span.end_ns
            if 0 <= span.status <= 2:
                row.statuses |= 1 << span.status
            row.flags |= span.flags
            if not span.parent_id:
                rooted = True
            if span.state_size:
                row.has_trace_state = True
                if may_tell(span.at + span.state_at, span.state_size):
                    self.leaves.note_state(row, batch.state_of(each))
            leaves = self.leaves
            while leaves is not None:
                open_leaves = leaves.of_spans & ~leaves.bits_at(row)[0]
                if open_leaves:
                    leaves.look(row, batch, group, each, known, open_leaves)
                leaves = leaves.more
        row.count += group.count
        self.rows.spans += group.count
        size = group.size_bytes
        row.size_bytes += size
        row.wrapped_bytes += size + 1
        while True:
            row.wrapped_bytes += 1
            size >>= 7
            if not size:
                break
        if rooted and not row.root_received_ns:
            row.root_received_ns = now_ns
            if self.rooted:
                self.rows.wait_after_root(row)
        return 0

    def add_objects(self, sums, list spans not None, answers, arrived_ns, root_received_ns, Py_ssize_t room, make_room):
        """Take spans of a trace that are objects already, or unusual.

        Args:
            sums: A `BufferedTrace` of these spans alone.
            spans: These spans.
            answers: By leaf: what `asked` returns of the first span that matches; ... if none does.
            arrived_ns: The time of arrival, of a new trace.
            root_received_ns: The time of arrival of a root, of a trace that had none; 0 if there is none.
            room: As for `receive`.
            make_room: As for `receive`.
        """
        cdef uint64_t high = sums.trace_id >> 64, low = sums.trace_id & 0xFFFFFFFFFFFFFFFF
        cdef Wait *row = self.rows.find(high, low)
        cdef Piece *piece = make_piece()
        try:
            if row == NULL:
                if self.rows.traces >= room:
                    make_room()
                row = self.rows.begin(high, low, arrived_ns)
            self.add_up(row, sums, spans, answers)
        except BaseException:
            free(piece)
            if row != NULL and not row.count:
                self.rows.forget(row)
            raise
        row.count += PyList_GET_SIZE(spans)
        self.rows.spans += PyList_GET_SIZE(spans)
        self.rows.append_objects(row, piece, spans)
        if root_received_ns and not row.root_received_ns:
            row.root_received_ns = root_received_ns
            if self.rooted:
                self.rows.wait_after_root(row)

    cdef int add_up(self, Wait *row, sums, list spans, answers) except -1:
        """Add the sums of spans, and what leaves say of them, to those of a trace."""
        cdef uint64_t start = sums.start_ns, end = sums.end_ns, flags = sums.flags
        cdef int64_t size = sums.size_bytes, wrapped = sums.wrapped_bytes
        cdef int statuses = sums.statuses
        for span in spans:
            if span.trace_state:
                self.leaves.note_state(row, span.trace_state)
        self.leaves.answer_objects(row, answers)
        if start and (not row.start_ns or start < row.start_ns):
            row.start_ns = start
        if end > row.end_ns:
            row.end_ns = end
        row.statuses |= <unsigned char>statuses
        row.flags |= <uint32_t>flags
        row.size_bytes += size
        row.wrapped_bytes += wrapped
        return 0

    def settle(self, trace_id, DecisionCache remembered not None, uint64_t time_ns):
        """Remove a trace whose vote is final; return its spans, decision and record, or None for any other trace."""
        cdef Wait *row = self.rows.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        if row == NULL or not self.early:
            return None
        decision = self.final_of(row)
        if decision is None:
            return None
        found = self.rows.spans_of(row, self.kind), decision, record_of(row, self.rows.seen_count, time_ns, 0, NULL, 0)
        remembered.put(key_of_id(row.high, row.low), decision)
        self.rows.forget(row)
        return found

    # --- decisions -----------------------------------------------------------------------------------------------------

    cdef object final_of(self, Wait *row):
        """Return the decision on a trace if no later span can change it; None otherwise."""
        if not self.leaves.may_be_final(row):
            return None
        return self.outcomes.final_of(self.leaves.bits_of(row), self.rows, row)

    cdef bint is_likely(self, Wait *row):
        """Return whether a trace would be sampled with the spans that it has, so that these will probably be read."""
        try:
            # The next round's thresholds will hardly differ from the last one's.
            return self.rounds.decision_of(self.rows, self.leaves, row).sampled
        except Exception:  # it will be raised when the trace is decided
            return True

    def decide_due(
        self, int64_t arrived_until_ns, int64_t rooted_until_ns, DecisionCache remembered not None, record, now_ns, uint64_t time_ns, int trigger,
        list sampled not None, list others not None,
    ):
        """Decide traces that are due. If anything raises, the lists hold what was done until then.

        Args:
            arrived_until_ns: Traces are due whose first span arrived by then; monotonic time.
            rooted_until_ns: Traces are due whose root arrived by then.
            remembered: Receives the decisions.
            record: Receives the records of those that are not sampled.
            now_ns: Monotonic time.
            time_ns: Unix time.
            trigger: The number of the trigger to record; 0 for the wait that is over.
            sampled: Receives, for each that is sampled: the id, the spans, the decision, the record.
            others: Receives the number of spans of each of the others.
        """
        cdef int waited = 0
        cdef Wait *row
        if self.rounds.count:
            self.rounds.begin(self.rows, self.leaves, arrived_until_ns, rooted_until_ns, now_ns)
            self.conclude_round(remembered, record, time_ns, trigger, sampled, others)
            return
        row = self.rows.next_due(arrived_until_ns, rooted_until_ns, &waited)
        while row != NULL:
            self.rows.prefetch_due(row, remembered.now)
            decision = self.rounds.decision_of(self.rows, self.leaves, row)
            packed = record_of(row, self.rows.seen_count, time_ns, trigger or waited, NULL, 0)
            self.conclude(row, decision, packed, remembered, record, sampled, others)
            row = self.rows.next_due(arrived_until_ns, rooted_until_ns, &waited)

    def decide_oldest(
        self, DecisionCache remembered not None, record, now_ns, uint64_t time_ns, int trigger, list sampled not None, list others not None,
    ):
        """Decide the trace that has waited longest, in a round of its own; the arguments are those of `decide_due`."""
        self.rounds.begin_oldest(self.rows, self.leaves, now_ns)
        self.conclude_round(remembered, record, time_ns, trigger, sampled, others)

    cdef int conclude_round(
        self, DecisionCache remembered, record, uint64_t time_ns, int trigger, list sampled, list others,
    ) except -1:
        cdef Rounds rounds = self.rounds
        cdef Due *due
        cdef Py_ssize_t i
        for i in range(rounds.due_count):
            due = &rounds.due[i]
            self.rows.prefetch_due(due.row, remembered.now)
            decision = self.outcomes.decision_at(due.node, self.rows, due.row)
            packed = record_of(due.row, self.rows.seen_count, time_ns, trigger or due.trigger, rounds.thresholds, rounds.count)
            self.conclude(due.row, decision, packed, remembered, record, sampled, others)
        return 0

    cdef int conclude(self, Wait *row, decision, bytes packed, DecisionCache remembered, record, list sampled, list others) except -1:
        remembered.put(key_of_id(row.high, row.low), decision)
        if decision.sampled:
            sampled.append((id_of(row), self.rows.spans_of(row, self.kind), decision, packed))
        else:
            record(packed)
            others.append(row.count)
        self.rows.forget(row)
        return 0

    def due(self, int64_t arrived_until_ns, int64_t rooted_until_ns):
        """Return the rows that are due, in order of arrival, and whether each waited after its root."""
        return self.rows.due(arrived_until_ns, rooted_until_ns)

    def take(self, trace_id, bint keeps):
        """Remove a trace; return its spans if it is kept, else none."""
        cdef Wait *row = self.rows.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        if row == NULL:
            raise KeyError(trace_id)
        spans = self.rows.spans_of(row, self.kind) if keeps else []
        self.rows.forget(row)
        return spans

    # --- state ----------------------------------------------------------------------------------------------------------

    @property
    def pending(self):
        """The number of traces that wait, and of their spans."""
        return self.rows.traces, self.rows.spans

    @property
    def size_bytes(self):
        """Memory of the rows and of the spans in them."""
        return self.rows.held_bytes + self.segments.held_bytes + (<int64_t>sizeof(void *) << (64 - self.rows.shift))

    @property
    def oldest_ns(self):
        """The time of arrival of the oldest trace; None if there is none."""
        return None if self.rows.oldest == NULL else self.rows.oldest.arrived_ns

    @property
    def root_received_ns(self):
        """The earliest time of arrival of a root; None if no trace waits after its root."""
        return None if self.rows.rooted_oldest == NULL else self.rows.rooted_oldest.root_received_ns

    @property
    def longest(self):
        """The most traces at one place of the table: the rows that one look-up reads at worst."""
        return self.rows.longest()

    def row(self, trace_id):
        """Return the row of a trace; None if it does not wait."""
        cdef Wait *row = self.rows.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        return None if row == NULL else self.rows.values_of(row)

    def ids(self):
        """Return the ids of all traces that wait, the oldest first."""
        return self.rows.ids()

    def held(self, trace_id):
        """Return the spans of a trace; none if it does not wait."""
        cdef Wait *row = self.rows.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        return [] if row == NULL else self.rows.spans_of(row, self.kind)
