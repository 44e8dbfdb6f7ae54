# Traces that wait for their decision: a row each, and their spans as bytes.


cdef enum:
    BY_DURATION, BY_STATUS, BY_FLAGS, BY_COUNT, BY_HASH, BY_NOTHING  # of all spans
    BY_NUMBER, BY_TRUTH, BY_INPUTS, BY_STATE, BY_ASKING  # of each span


cdef enum:
    MOST_LEAVES = 60  # with the bits of those that may fail
    MOST_KEYS = 64
    MOST_ANSWERS = 8_000  # of a leaf that are remembered of spans that look alike: 5 MB at the most
    MOST_KNOWN = 10_000  # resources with their scopes
    MOST_KNOWN_BYTES = 8 << 20  # that these have: senders choose how large one is
    LONGEST_INPUT = 512
    TELLS = 62  # the bit for: a span says how it was sampled before
    UNSTARTED = 63  # the bit for: no span has a start


cdef dict _LEAVES = {
    "duration": BY_DURATION,
    "status": BY_STATUS,
    "flags": BY_FLAGS,
    "count": BY_COUNT,
    "hash": BY_HASH,
    "nothing": BY_NOTHING,
    "number": BY_NUMBER,
    "truth": BY_TRUTH,
    "inputs": BY_INPUTS,
    "state": BY_STATE,
    "asking": BY_ASKING,
}


cdef struct Leaf:  # a policy without policies in it
    int by
    uint64_t least  # of what it looks at, to sample a trace; for bits, those of which one must be set
    uint64_t most  # inclusive
    uint64_t salted
    uint64_t threshold  # on a trace's own randomness
    int64_t lowest  # of a number; the truth that is wanted
    int64_t highest
    int key  # the first of its attributes
    int keys
    bint headed  # whether name, kind and status count, too
    int seen  # where what it saw is
    int failed  # the bit that says that it failed


cdef struct Run:  # spans of one resource and scope, in a chunk
    PyObject *resource
    PyObject *scope
    uint32_t count
    uint32_t size  # of what follows: each span's length in four bytes, and the span


cdef struct Chunk:  # the beginning of a bytes object: spans that came together
    PyObject *next
    PyObject *objects  # a list of them, where they are unusual; then no runs follow
    int64_t objects_bytes  # that those hold


cdef struct Wait:
    uint64_t high  # of the trace's id
    uint64_t low
    uint64_t start_ns
    uint64_t end_ns
    uint64_t bits  # by leaf: whether a span has matched
    uint64_t randomness  # the least that spans tell
    int64_t arrived_ns
    int64_t root_received_ns
    int64_t size_bytes
    int64_t wrapped_bytes
    int64_t count
    PyObject *first
    PyObject *last
    Wait *chained  # of the same place in the table
    Wait *older
    Wait *newer
    Wait *rooted_older
    Wait *rooted_newer
    uint32_t flags
    unsigned char statuses
    bint has_trace_state  # whether any span has a `tracestate`
    bint explicit  # whether one tells its randomness
    bint tells
    bint by_root  # whether it is in the list of those that wait after their root
    int64_t seen[1]  # as many as there are leaves that look at each span


@cython.final
@cython.no_gc
cdef class _Origin:
    """A resource with a scope, and what is known of spans without attributes there."""

    cdef object resource, scope
    cdef uint64_t number
    cdef uint64_t nothing  # leaves for which a span without the attribute says nothing
    cdef uint64_t has  # leaves whose attribute the resource has


cdef class Waiting:
    """Traces that wait. Not thread-safe. Whoever is called back must not call it, but for `make_room`.

    Args:
        leaves: For each what it goes by, and its numbers: `compiled_sampler.py` says which.
        names: Of all attributes that leaves look at, one leaf's after another's.
        kind: What to make of a span: a class below `Head`.
        asked: Given the number of a leaf and a span, returns what it saw of it as a number, ... if nothing, None if it failed;
            then `failure` is what to remember of that.
        told: Given a `tracestate`, returns the randomness that it tells, or None; and whether it says how the span was sampled.
        decided: Given a row, returns the decision.
        final: Given a row, returns the decision if no span that still comes can change it, or None.
        final_bits: Of leaves that can make a vote final; 0 to keep nothing early.
        rooted: Whether traces wait after their root.
    """

    cdef Leaf leaves[MOST_LEAVES]
    cdef int count
    cdef int seen_count
    cdef uint64_t of_spans  # the leaves that look at each span
    cdef uint64_t final_bits
    cdef _Keys keys
    cdef type kind
    cdef object asked, told, decided, final
    cdef dict decisions, finals, known
    cdef set known_resources
    cdef int64_t known_bytes  # a resource counts once
    cdef list answers  # by leaf: what spans said, by what they look like
    cdef uint64_t numbers  # of resources with their scopes, none of which comes again
    cdef Wait **table
    cdef int shift
    cdef Py_ssize_t traces
    cdef Py_ssize_t spans
    cdef int64_t held_bytes
    cdef Wait *oldest
    cdef Wait *newest
    cdef Wait *rooted_oldest
    cdef Wait *rooted_newest
    cdef bint rooted

    def __cinit__(self, leaves, names, type kind not None, asked, told, decided, final, uint64_t final_bits, bint rooted):
        cdef int i = 0
        cdef tuple given = tuple(leaves)
        cdef Leaf *leaf
        self.table = NULL
        self.oldest = self.newest = self.rooted_oldest = self.rooted_newest = NULL
        self.keys = _Keys(names)
        self.count, self.seen_count = len(given), 0
        if self.count > MOST_LEAVES or not issubclass(kind, Head):
            raise ValueError(f"{self.count} policies, or {kind.__name__} is no Head")
        for name, least, most, salted, threshold, lowest, highest, key, keys, headed, failed in given:
            leaf = &self.leaves[i]
            leaf.by = _LEAVES[name]
            leaf.least, leaf.most, leaf.salted, leaf.threshold = least, most, salted, threshold
            leaf.lowest, leaf.highest, leaf.key, leaf.keys, leaf.headed = lowest, highest, key, keys, headed
            leaf.failed = failed
            leaf.seen = -1
            if not 0 <= leaf.key <= leaf.key + leaf.keys <= self.keys.count or not -1 <= leaf.failed < MOST_LEAVES:
                raise ValueError(f"policy {i} looks at attributes that are not there")
            if leaf.by >= BY_NUMBER:
                if leaf.by <= BY_TRUTH and leaf.keys != 1:
                    raise ValueError(f"policy {i} looks at one attribute, not at {leaf.keys}")
                leaf.seen = self.seen_count
                self.seen_count += 1
                self.of_spans |= <uint64_t>1 << i
            i += 1
        self.kind, self.asked, self.told, self.decided, self.final = kind, asked, told, decided, final
        self.final_bits, self.rooted = final_bits, rooted
        self.decisions, self.finals, self.known, self.known_resources = {}, {}, {}, set()
        self.answers = [{} for _ in range(self.count)]
        self.traces = self.spans = 0
        self.numbers = 0
        self.held_bytes = self.known_bytes = 0
        self.shift = 64 - 10
        self.table = <Wait **>calloc(1 << 10, sizeof(void *))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        while self.oldest != NULL:
            self.forget(self.oldest)
        free(self.table)

    # --- rows ----------------------------------------------------------------------------------------------------------

    cdef inline uint64_t place_of(self, uint64_t high, uint64_t low) noexcept:
        return _place(high, low, self.shift)

    cdef inline Wait *find(self, uint64_t high, uint64_t low) noexcept:
        cdef Wait *row = self.table[self.place_of(high, low)]
        while row != NULL and (row.low != low or row.high != high):
            row = row.chained
        return row

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
            place = self.place_of(row.high, row.low)
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
        place = self.place_of(high, low)
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
        """Let go of a trace and of its spans."""
        cdef Wait **at = &self.table[self.place_of(row.high, row.low)]
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
            after = _chunk(chunk).next
            self.held_bytes -= _chunk_bytes(chunk)
            _let_go(chunk)
            chunk = after
        free(row)

    cdef void append(self, Wait *row, PyObject *chunk) noexcept:
        """Take a chunk over."""
        if row.last != NULL:
            _chunk(row.last).next = chunk
        else:
            row.first = chunk
        row.last = chunk
        self.held_bytes += _chunk_bytes(chunk)

    cdef tuple told_of(self, Wait *row):
        """Return a row for Python; `compiled_sampler.py` makes a `BufferedTrace` of it."""
        cdef list seen = [row.seen[i] for i in range(self.seen_count)]
        return (
            row.high, row.low, row.start_ns, row.end_ns, row.statuses, row.flags, row.count, row.size_bytes, row.wrapped_bytes,
            row.arrived_ns, row.root_received_ns, row.has_trace_state, row.tells, row.randomness if row.explicit else None, row.bits, seen,
        )

    # --- spans in ------------------------------------------------------------------------------------------------------

    def receive(
        self, traces, DecisionCache remembered not None, int64_t now_ns, uint64_t time_ns, int64_t limit, Py_ssize_t room, make_room, drop,
        list followed not None, list kept not None,
    ):
        """Take the traces of a batch. Should anything raise, the lists say what has been done until then.

        Args:
            traces: Of it.
            remembered: What is decided.
            now_ns: Monotonic time.
            time_ns: Unix time.
            limit: Bytes that a trace may have; 0 for any number.
            room: How many traces may wait.
            make_room: Makes one of them no longer wait.
            drop: Given the row of a trace that is larger than `limit`, makes it no longer wait. Its last spans are not in it.
            followed: Takes, for each trace that was decided before: the decision, the id, the spans if it is to keep them, how many there
                are, and how many errors.
            kept: Takes, for each trace that is kept: the id, the spans, the decision, the record.
        """
        cdef Batch batch = (<Traces?>traces).batch
        cdef bytes payload = batch.payload
        cdef Group *group
        cdef Wait *row
        cdef Py_ssize_t which
        cdef list known = [None] * PyList_GET_SIZE(batch.origins)
        for which in range(batch.groups_count):
            group = &batch.groups[which]
            if not group.count:
                continue
            row = self.find(group.high, group.low)
            if row == NULL:
                decision = remembered.get(_key(group.high, group.low))
                if decision is not None:
                    followed.append(self.follow(batch, group, decision))
                    continue
                if self.traces >= room:
                    make_room()
                row = self.begin(group.high, group.low, now_ns)
            try:
                self.add(row, batch, group, known, now_ns)
            except BaseException:
                if not row.count:
                    self.forget(row)
                raise
            if limit and row.size_bytes > limit:
                drop(self.told_of(row))
                continue
            try:
                decision = self.final_of(row) if self.final_bits else None
            except BaseException:
                self.keep_chunk(row, batch, group)  # they are counted already
                raise
            if decision is None:
                self.keep_chunk(row, batch, group)
                continue
            spans = self.spans_of(row)
            spans += batch.trace(group).spans
            remembered.put(_key(group.high, group.low), decision)
            kept.append((batch.id_of(group), spans, decision, self.packed(row, time_ns, 0)))
            self.forget(row)

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
        cdef _Origin origin
        cdef uint64_t open_leaves
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
                self.tell(row, batch.state_of(each))
            open_leaves = self.of_spans & ~row.bits
            if open_leaves:
                origin = <_Origin>PyList_GET_ITEM(known, each.origin)
                if origin is None:
                    origin = known[each.origin] = self.known_of(batch.origin_of(each))
                self.look(row, batch, group, each, origin, open_leaves)
        row.count += group.count
        self.spans += group.count
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
                self.wait_after_root(row)
        return 0

    cdef int tell(self, Wait *row, str state) except -1:
        """Take note of what a span's `tracestate` says."""
        randomness, sampled = self.told(state)
        row.has_trace_state = True
        if randomness is not None:
            if not row.explicit or <uint64_t>randomness < row.randomness:
                row.randomness = randomness
            row.explicit = row.tells = True
        if sampled:
            row.tells = True
        return 0

    cdef _Origin known_of(self, tuple origin):
        cdef _Origin found
        cdef int i
        cdef int64_t size
        cdef Leaf *leaf
        found = self.known.get((origin[0], origin[1]))
        if found is not None:
            return found
        size = <int64_t>origin[1].size_bytes + (0 if origin[0] in self.known_resources else <int64_t>origin[0].size_bytes)
        if PyDict_Size(self.known) >= MOST_KNOWN or self.known_bytes + size > MOST_KNOWN_BYTES:
            self.known.clear()
            self.known_resources.clear()
            self.known_bytes, size = 0, <int64_t>origin[0].size_bytes + <int64_t>origin[1].size_bytes
            self.answers = [{} for _ in range(self.count)]  # they name resources by their numbers
        found = _Origin()
        self.numbers += 1
        found.resource, found.scope, found.number = origin[0], origin[1], self.numbers
        found.nothing = found.has = 0
        attributes = origin[0].attributes
        for i in range(self.count):
            leaf = &self.leaves[i]
            if BY_NUMBER <= leaf.by <= BY_TRUTH and self.keys.encoded[leaf.key].decode() in attributes:
                found.has |= <uint64_t>1 << i
        self.known[origin[0], origin[1]] = found
        self.known_resources.add(origin[0])
        self.known_bytes += size
        return found

    cdef int look(self, Wait *row, Batch batch, Group *group, Row *each, _Origin known, uint64_t leaves) except -1:
        """Let leaves that have not matched look at a span."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Simple value
        cdef Span *span = &each.span
        cdef Leaf *leaf
        cdef int count = -2, i, kind
        for i in range(self.count):
            if not leaves >> i & 1:
                continue
            leaf = &self.leaves[i]
            if leaf.by == BY_STATE:
                if span.state_size:
                    self.answer(row, i, self.ask(i, batch, group, each))
                continue
            if count == -2:
                count = _pairs_of(span, pairs)
            if leaf.by == BY_ASKING or count < 0 or known.has >> i & 1:
                self.answer(row, i, self.ask(i, batch, group, each))
                continue
            if leaf.by == BY_INPUTS:
                self.look_up(row, i, batch, group, each, known, pairs, count)
                continue
            pair = self.keys.find(leaf.key, pairs, count)
            if pair == NULL:
                continue
            kind = _simple(pair.value, pair.value_size, &value)
            if kind == OTHER:
                self.answer(row, i, self.ask(i, batch, group, each))
            elif leaf.by == BY_NUMBER:
                if kind != WHOLE:
                    value.whole = 0
                if leaf.lowest <= value.whole <= leaf.highest:
                    row.bits |= <uint64_t>1 << i
                    row.seen[leaf.seen] = value.whole
            elif (kind == TRUTH and value.whole != 0) == (leaf.lowest != 0):
                row.bits |= <uint64_t>1 << i
                row.seen[leaf.seen] = leaf.lowest
        return 0

    cdef int look_up(self, Wait *row, int i, Batch batch, Group *group, Row *each, _Origin known, Pair *pairs, int count) except -1:
        """Let a leaf look at a span that may look like one before it."""
        cdef unsigned char written[LONGEST_INPUT]
        cdef Leaf *leaf = &self.leaves[i]
        cdef Span *span = &each.span
        cdef Pair *pair
        cdef Py_ssize_t size = sizeof(uint64_t)
        cdef uint64_t bit = <uint64_t>1 << i
        cdef bint bare = not leaf.headed
        cdef dict answers = <dict>PyList_GET_ITEM(self.answers, i)
        cdef PyObject *found
        cdef int key
        memcpy(written, &known.number, sizeof(uint64_t))
        if leaf.headed:
            written[size] = <unsigned char>span.kind
            written[size + 1] = <unsigned char>span.status
            written[size + 2] = <unsigned char>(span.name_size >> 8)
            written[size + 3] = <unsigned char>(span.name_size & 0xFF)
            size += 4
            if span.name_size >= 0x10000 or size + span.name_size > LONGEST_INPUT:
                return self.answer(row, i, self.ask(i, batch, group, each))
            memcpy(written + size, span.name, span.name_size)
            size += span.name_size
        for key in range(leaf.key, leaf.key + leaf.keys):
            pair = self.keys.find(key, pairs, count)
            if size + 2 + (0 if pair == NULL else pair.value_size) > LONGEST_INPUT:
                return self.answer(row, i, self.ask(i, batch, group, each))
            if pair == NULL:
                written[size] = written[size + 1] = 0xFF
                size += 2
                continue
            bare = False
            written[size] = <unsigned char>(pair.value_size >> 8)
            written[size + 1] = <unsigned char>(pair.value_size & 0xFF)
            memcpy(written + size + 2, pair.value, pair.value_size)
            size += 2 + pair.value_size
        if bare and known.nothing & bit:
            return 0
        looks = PyBytes_FromStringAndSize(<const char *>written, size)
        found = PyDict_GetItem(answers, looks)
        if found != NULL:
            return self.answer(row, i, <object>found)
        said = self.ask(i, batch, group, each)
        if PyDict_Size(answers) >= MOST_ANSWERS:
            answers.clear()
        answers[looks] = said
        if bare and said is ...:
            known.nothing |= bit
        return self.answer(row, i, said)

    cdef object ask(self, int i, Batch batch, Group *group, Row *each):
        return self.asked(i, batch.head(each, batch.id_of(group)))

    cdef int answer(self, Wait *row, int i, said) except -1:
        """Take note of what a leaf has said of a span: a number, ... if nothing, or a tuple of one number if it has failed."""
        cdef Leaf *leaf = &self.leaves[i]
        if said is ...:
            return 0
        row.bits |= <uint64_t>1 << i
        if isinstance(said, tuple):
            if leaf.failed >= 0:
                row.bits |= <uint64_t>1 << leaf.failed
            said = said[0]
        row.seen[leaf.seen] = said
        return 0

    cdef int keep_chunk(self, Wait *row, Batch batch, Group *group) except -1:
        """Copy the spans of a trace, run by run."""
        cdef Py_ssize_t size = sizeof(Chunk), i = group.first
        cdef int32_t origin = -1
        cdef Row *each
        cdef char *at
        cdef Run *run = NULL
        cdef uint32_t length
        while i >= 0:
            each = &batch.rows[i]
            if each.origin != origin:
                batch.origin_of(each)  # an error now, while nothing has been taken, where the batch was released
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
        Py_INCREF(chunk)
        self.append(row, <PyObject *>chunk)
        return 0

    def add_objects(self, sums, list spans not None, answers, arrived_ns, root_received_ns, Py_ssize_t room, make_room):
        """Take spans that are objects already, or unusual.

        Args:
            sums: A `BufferedTrace` of these spans alone.
            spans: They.
            answers: By leaf that looks at each span: what `asked` says of the first that matches; ... where none does.
            arrived_ns: For a trace that is new.
            root_received_ns: For one that had no root; 0 if none has come.
            room: As for `receive`.
            make_room: As for `receive`.
        """
        cdef uint64_t high = sums.trace_id >> 64, low = sums.trace_id & 0xFFFFFFFFFFFFFFFF
        cdef Wait *row = self.find(high, low)
        cdef int64_t held_bytes = 0
        for span in spans:
            held_bytes += (<Head>span).size if isinstance(span, Head) else 0
        chunk = PyBytes_FromStringAndSize(NULL, sizeof(Chunk))
        if row == NULL:
            if self.traces >= room:
                make_room()
            row = self.begin(high, low, arrived_ns)
        try:
            self.add_up(row, sums, spans, answers)
        except BaseException:
            if not row.count:
                self.forget(row)
            raise
        row.count += PyList_GET_SIZE(spans)
        self.spans += PyList_GET_SIZE(spans)
        _head_of(PyBytes_AS_STRING(chunk))
        Py_INCREF(spans)
        _chunk(<PyObject *>chunk).objects = <PyObject *>spans
        _chunk(<PyObject *>chunk).objects_bytes = held_bytes
        Py_INCREF(chunk)
        self.append(row, <PyObject *>chunk)
        if root_received_ns and not row.root_received_ns:
            row.root_received_ns = root_received_ns
            if self.rooted:
                self.wait_after_root(row)

    cdef int add_up(self, Wait *row, sums, list spans, answers) except -1:
        """Add the sums of spans, and what leaves say of them, to those of a trace."""
        cdef uint64_t start = sums.start_ns, end = sums.end_ns, flags = sums.flags
        cdef int64_t size = sums.size_bytes, wrapped = sums.wrapped_bytes
        cdef int statuses = sums.statuses, i
        for span in spans:
            if span.trace_state:
                self.tell(row, span.trace_state)
        for i in range(self.count):
            if self.of_spans >> i & 1 and not row.bits >> i & 1:
                self.answer(row, i, answers[i])
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
        """Return the spans, the decision and the record of a trace whose vote is final, which waits no more; None for others."""
        cdef Wait *row = self.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        if row == NULL or not self.final_bits:
            return None
        decision = self.final_of(row)
        if decision is None:
            return None
        found = self.spans_of(row), decision, self.packed(row, time_ns, 0)
        remembered.put(_key(row.high, row.low), decision)
        self.forget(row)
        return found

    # --- decisions -----------------------------------------------------------------------------------------------------

    cdef uint64_t bits_of(self, Wait *row) noexcept:
        """Return which leaves would sample a trace, and what makes a difference besides."""
        cdef uint64_t value, bits = row.bits
        cdef Leaf *leaf
        cdef int i
        for i in range(self.count):
            leaf = &self.leaves[i]
            if leaf.by >= BY_NUMBER:
                continue
            if leaf.by == BY_STATUS or leaf.by == BY_FLAGS:
                value = row.statuses if leaf.by == BY_STATUS else row.flags
                if value & leaf.least:
                    bits |= <uint64_t>1 << i
                continue
            if leaf.by == BY_DURATION:
                if row.end_ns < row.start_ns:
                    continue
                value = row.end_ns - row.start_ns
            elif leaf.by == BY_COUNT:
                value = row.count
            elif leaf.by == BY_NOTHING:
                value = 0
            elif row.tells:
                value = row.randomness if row.explicit else row.low & ((<uint64_t>1 << 56) - 1)
                if value >= leaf.threshold:
                    bits |= <uint64_t>1 << i
                continue
            else:
                value = _hash(leaf.salted, row.high, row.low)
            if leaf.least <= value <= leaf.most:
                bits |= <uint64_t>1 << i
        if row.tells:
            bits |= <uint64_t>1 << TELLS
        if not row.start_ns:
            bits |= <uint64_t>1 << UNSTARTED
        return bits

    cdef object final_of(self, Wait *row):
        """Return the decision on a trace if no span that still comes can change it; None otherwise."""
        cdef uint64_t bits
        cdef PyObject *known
        if not self.may_be_final(row):
            return None
        bits = self.bits_of(row)
        known = PyDict_GetItem(self.finals, bits)
        if known != NULL:
            return <object>known
        if PyDict_Size(self.finals) >= MOST_DECISIONS:
            self.finals.clear()
        found = self.finals[bits] = self.final(self.told_of(row))
        return found

    cdef bint may_be_final(self, Wait *row) noexcept:
        cdef Leaf *leaf
        cdef int i
        if row.bits & self.final_bits:
            return True
        for i in range(self.count):
            leaf = &self.leaves[i]
            if not self.final_bits >> i & 1 or leaf.by >= BY_NUMBER:
                continue
            if leaf.by == BY_STATUS:
                if row.statuses & leaf.least:
                    return True
            elif leaf.by == BY_FLAGS:
                if row.flags & leaf.least:
                    return True
            elif leaf.by == BY_DURATION:
                if row.start_ns and row.end_ns > row.start_ns and row.end_ns - row.start_ns >= leaf.least:
                    return True
            elif leaf.by == BY_COUNT:
                if <uint64_t>row.count >= leaf.least:
                    return True
            else:
                return True
        return False

    cdef object decision_of(self, Wait *row):
        cdef uint64_t bits = self.bits_of(row)
        cdef PyObject *known = PyDict_GetItem(self.decisions, bits)
        if known != NULL:
            return <object>known
        if PyDict_Size(self.decisions) >= MOST_DECISIONS:
            self.decisions.clear()
        found = self.decisions[bits] = self.decided(self.told_of(row))
        return found

    cdef bytes packed(self, Wait *row, uint64_t time_ns, int trigger):
        """Return a record: 16 numbers, and what each leaf that looks at spans saw."""
        cdef Py_ssize_t size = (16 + self.seen_count) * sizeof(uint64_t)
        cdef bytes record = PyBytes_FromStringAndSize(NULL, size)
        cdef uint64_t *at = <uint64_t *>PyBytes_AS_STRING(record)
        at[0], at[1], at[2], at[3] = row.high, row.low, row.start_ns, row.end_ns
        at[4], at[5], at[6], at[7] = row.statuses, row.flags, row.count, row.size_bytes
        at[8], at[9], at[10], at[11] = row.wrapped_bytes, time_ns, trigger, row.has_trace_state
        at[12], at[13], at[14], at[15] = row.tells, row.explicit, row.randomness, row.bits
        memcpy(at + 16, row.seen, self.seen_count * sizeof(int64_t))
        return record

    cdef Wait *next_due(self, int64_t arrived_until_ns, int64_t rooted_until_ns, int *trigger) noexcept:
        """Return a trace whose time has come; NULL where there is none."""
        if self.oldest != NULL and self.oldest.arrived_ns <= arrived_until_ns:
            trigger[0] = 1
            return self.oldest
        if self.rooted_oldest != NULL and self.rooted_oldest.root_received_ns <= rooted_until_ns:
            trigger[0] = 2
            return self.rooted_oldest
        return NULL

    def decide_due(
        self, DecisionCache remembered not None, record, int64_t arrived_until_ns, int64_t rooted_until_ns, uint64_t time_ns, int trigger,
        list sampled not None, list others not None,
    ):
        """Decide traces whose time has come, where no limiter compares them. Should anything raise, the lists say what has been done.

        Args:
            remembered: Takes the decisions.
            record: Takes the records of those that are not sampled.
            arrived_until_ns: Traces are due whose first span came by then; monotonic time.
            rooted_until_ns: As are those whose root came by then.
            time_ns: Unix time.
            trigger: What to record as the reason; 0 for what made them due.
            sampled: Takes, for each that is sampled: the id, the spans, the decision, the record.
            others: Takes how many spans each of the others has.
        """
        cdef int why = 0
        cdef Wait *row = self.next_due(arrived_until_ns, rooted_until_ns, &why)
        while row != NULL:
            decision = self.decision_of(row)
            packed = self.packed(row, time_ns, trigger or why)
            remembered.put(_key(row.high, row.low), decision)
            if decision.sampled:
                sampled.append((_id_of(row), self.spans_of(row), decision, packed))
            else:
                record(packed)
                others.append(row.count)
            self.forget(row)
            row = self.next_due(arrived_until_ns, rooted_until_ns, &why)

    def due(self, int64_t arrived_until_ns, int64_t rooted_until_ns):
        """Return rows whose time has come, in the order in which that is so, and whether each waited after its root."""
        cdef list found = []
        cdef Wait *row = self.oldest
        while row != NULL and row.arrived_ns <= arrived_until_ns:
            found.append((self.told_of(row), False))
            row = row.newer
        row = self.rooted_oldest
        while row != NULL and row.root_received_ns <= rooted_until_ns:
            if row.arrived_ns > arrived_until_ns:
                found.append((self.told_of(row), True))
            row = row.rooted_newer
        return found

    def take(self, trace_id, bint keeps):
        """Let a trace no longer wait; return its spans if they are wanted."""
        cdef Wait *row = self.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        if row == NULL:
            raise KeyError(trace_id)
        spans = self.spans_of(row) if keeps else []
        self.forget(row)
        return spans

    # --- spans out -----------------------------------------------------------------------------------------------------

    cdef list spans_of(self, Wait *row):
        """Return the spans of a trace as objects, which hold their bytes from now on."""
        cdef list spans = []
        cdef PyObject *chunk = row.first
        while chunk != NULL:
            if _chunk(chunk).objects != NULL:
                spans += <list>_chunk(chunk).objects
            else:
                self.read_chunk(<bytes>chunk, _id_of(row), spans)
            chunk = _chunk(chunk).next
        return spans

    cdef int read_chunk(self, bytes chunk, trace_id, list spans) except -1:
        cdef bytes held = PyBytes_FromStringAndSize(PyBytes_AS_STRING(chunk) + sizeof(Chunk), PyBytes_GET_SIZE(chunk) - sizeof(Chunk))
        cdef Bytes at = <Bytes>PyBytes_AS_STRING(held)
        cdef Bytes end = at + PyBytes_GET_SIZE(held)
        cdef Bytes id_at = NULL
        cdef Span span
        cdef Run run
        cdef Head head
        cdef uint32_t i, length
        cdef _Texts names = _Texts(), states = _Texts()
        while at < end:
            memcpy(&run, at, sizeof(Run))
            memset(<void *>at, 0, 2 * sizeof(PyObject *))  # addresses are nobody's business
            at += sizeof(Run)
            for i in range(run.count):
                memcpy(&length, at, 4)
                at += 4
                if not _read(&span, &id_at, at, at + length, names, states):
                    raise RuntimeError("a span that was read once cannot be read")
                head = _made(self.kind)
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

    # --- what is asked of it -------------------------------------------------------------------------------------------

    @property
    def pending(self):
        """How many traces wait, and how many spans they have."""
        return self.traces, self.spans

    @property
    def size_bytes(self):
        """Memory of the rows and of the spans in them."""
        return self.held_bytes + (<int64_t>sizeof(void *) << (64 - self.shift))

    @property
    def oldest_ns(self):
        """When the trace came that waits longest; None where none does."""
        return None if self.oldest == NULL else self.oldest.arrived_ns

    @property
    def root_received_ns(self):
        """When the root came of which that is longest ago; None where none waits after its root."""
        return None if self.rooted_oldest == NULL else self.rooted_oldest.root_received_ns

    @property
    def longest(self):
        """The most traces that share a place, which is how many are looked at, at the worst."""
        cdef Py_ssize_t place, count, most = 0
        cdef Wait *row
        for place in range(<Py_ssize_t>1 << (64 - self.shift)):
            count, row = 0, self.table[place]
            while row != NULL:
                count += 1
                row = row.chained
            most = max(most, count)
        return most

    def row(self, trace_id):
        """Return the row of a trace; None where it does not wait."""
        cdef Wait *row = self.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        return None if row == NULL else self.told_of(row)

    def first(self):
        """Return the row of the trace that waits longest."""
        return self.told_of(self.oldest) if self.oldest != NULL else None

    def ids(self):
        """Return the ids of all traces that wait, the oldest first."""
        cdef list found = []
        cdef Wait *row = self.oldest
        while row != NULL:
            found.append(_id_of(row))
            row = row.newer
        return found

    def held(self, trace_id):
        """Return the spans of a trace; none where it does not wait."""
        cdef Wait *row = self.find(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)
        return [] if row == NULL else self.spans_of(row)


cdef inline Chunk *_chunk(PyObject *chunk) noexcept:
    return <Chunk *>PyBytes_AS_STRING(<object>chunk)


cdef inline object _id_of(Wait *row):
    return (<object>row.high) << 64 | row.low


cdef inline int64_t _chunk_bytes(PyObject *chunk) noexcept:
    return PyBytes_GET_SIZE(<object>chunk) + _chunk(chunk).objects_bytes


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
    """Let go of a chunk, and of what it holds."""
    cdef char *at = PyBytes_AS_STRING(<object>chunk)
    cdef char *end = at + PyBytes_GET_SIZE(<object>chunk)
    cdef Run run
    if _chunk(chunk).objects != NULL:
        Py_DECREF(<object>_chunk(chunk).objects)
    else:
        at += sizeof(Chunk)
        while at < end:
            memcpy(&run, at, sizeof(Run))
            Py_DECREF(<object>run.resource)
            Py_DECREF(<object>run.scope)
            at += sizeof(Run) + run.size
    Py_DECREF(<object>chunk)
