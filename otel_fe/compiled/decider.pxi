# Traces that come whole, decided by rules.


cdef enum:
    BY_DURATION, BY_STATUS, BY_FLAGS, BY_COUNT, BY_HASH, BY_NOTHING


cdef dict _RULES = {
    "duration": BY_DURATION,
    "status": BY_STATUS,
    "flags": BY_FLAGS,
    "count": BY_COUNT,
    "hash": BY_HASH,
    "nothing": BY_NOTHING,
}


cdef struct Rule:
    int by
    uint64_t least  # of what it looks at, to sample a trace; for bits, those of which one must be set
    uint64_t most  # inclusive
    uint64_t salted


cdef struct Sums:
    uint64_t high  # of the trace's id
    uint64_t low
    uint64_t duration_ns
    uint64_t statuses
    uint64_t flags
    uint64_t count


cdef struct Entry:
    Sums sums
    uint64_t time_ns
    uint64_t samples  # bit n is set where policy n samples the trace
    uint64_t seen[MOST_RULES]  # by each policy


cdef class Decider:
    """Decides the traces that come whole, where policies go by rules: that is most of them. All others are left to the plain way.

    Args:
        rules: What each policy samples, in the order in which they are asked: what it looks at (`duration`, `status`, `flags`,
            `count`, `hash`, `nothing`), the least and the most of it, or the bits; the salted hash to begin with.
        decided: Returns the decision, given by the bits of a number which policies sample a trace.
        record: Takes what is decided, packed: id (two numbers), duration, statuses, flags, count of spans, time, the bits of the
            policies that sample it, and what each saw; 64 bits each. As objects, it would be a thousand bytes for every trace.
    """

    cdef Rule rules[MOST_RULES]
    cdef int count
    cdef object decided, record
    cdef dict decisions

    def __cinit__(self, rules, decided, record):
        cdef int i = 0
        cdef tuple given = tuple(rules)
        if len(given) > MOST_RULES:
            raise ValueError(f"more than {MOST_RULES} policies")
        self.count = len(given)
        for name, least, most, salted in given:
            self.rules[i].by = _RULES[name]
            self.rules[i].least = least
            self.rules[i].most = most
            self.rules[i].salted = salted
            i += 1
        self.decided, self.record = decided, record
        self.decisions = {}

    def take(
        self, traces, dict opened not None, Remembered remembered not None, dict databases not None, most_bytes, time_ns
    ):
        """Decide what can be.

        Args:
            traces: Those of a batch; of any others, none can be.
            opened: Those that are waited for, by the bytes of their ids.
            remembered: Those that have been decided.
            databases: Whether spans are calls of databases, by scope and name.
            most_bytes: How large a trace may be; 0 for any size.
            time_ns: Unix time.

        Returns:
            The traces that are left; those that are sampled, each with its decision and what is to be recorded just before it is
            carried out; how many traces and spans are neither.
        """
        cdef list left = [], sampled = []
        cdef Py_ssize_t others = 0, spans = 0, which
        cdef int64_t limit = most_bytes
        cdef uint64_t key
        cdef Entry entry
        cdef Sums *sums = &entry.sums
        cdef Batch batch
        cdef bytes payload
        cdef Group *group
        cdef Py_ssize_t size = sizeof(Entry) - (MOST_RULES - self.count) * sizeof(uint64_t)
        if not isinstance(traces, Traces):
            return list(traces), sampled, 0, 0
        batch = (<Traces>traces).batch
        payload = batch.payload
        batch.ask_anew()
        entry.time_ns = time_ns
        for which in range(batch.groups_count):
            group = &batch.groups[which]
            if not group.count:
                continue
            key = _key(group.high, group.low)
            if (
                limit and group.size_bytes > limit
                or not _summed(batch, group, sums)
                or PyDict_Size(opened) and batch.key_of(group) in opened
                or remembered.get(key) is not None
                or not _whole(batch, group, databases)
            ):
                left.append(batch.trace(group))
                continue
            entry.samples = self.ask(sums, entry.seen)
            decision = self.decision(entry.samples)
            remembered.put(key, decision)
            packed = PyBytes_FromStringAndSize(<const char *>&entry, size)
            if entry.samples:
                sampled.append((batch.trace(group), decision, packed))
            else:
                self.record(packed)
                others += 1
                spans += sums.count
        return left, sampled, others, spans

    cdef object decision(self, uint64_t samples):
        cdef PyObject *known = PyDict_GetItem(self.decisions, samples)
        if known != NULL:
            return <object>known
        if PyDict_Size(self.decisions) >= MOST_DECISIONS:
            self.decisions.clear()
        found = self.decisions[samples] = self.decided(samples)
        return found

    cdef uint64_t ask(self, Sums *sums, uint64_t *seen) noexcept:
        """Return which policies sample a trace, and write down what each saw."""
        cdef uint64_t value, samples = 0
        cdef Rule *rule
        cdef int i
        for i in range(self.count):
            rule = &self.rules[i]
            if rule.by == BY_STATUS or rule.by == BY_FLAGS:
                value = sums.statuses if rule.by == BY_STATUS else sums.flags
                if value & rule.least:
                    samples |= <uint64_t>1 << i
            else:
                if rule.by == BY_HASH:
                    value = _hash(rule.salted, sums.high, sums.low)
                elif rule.by == BY_NOTHING:
                    value = 0
                else:
                    value = sums.duration_ns if rule.by == BY_DURATION else sums.count
                if rule.least <= value <= rule.most:
                    samples |= <uint64_t>1 << i
                if rule.by == BY_HASH:
                    value = (<uint64_t>1 << 56) - 1 - (value >> 8)
            seen[i] = value
        return samples


cdef bint _summed(Batch batch, Group *group, Sums *sums) noexcept:
    """Add up the spans of a trace; False where it has no root, says how it was sampled, or is unusual."""
    cdef Span *span
    cdef uint64_t start = 0, end = 0
    cdef bint rooted = False
    cdef Py_ssize_t i = group.first
    sums.statuses = sums.flags = 0
    while i >= 0:
        span = &batch.rows[i].span
        i = batch.rows[i].next
        if span.state_size:
            return False
        if span.start_ns and (not start or span.start_ns < start):
            start = span.start_ns
        if span.end_ns > end:
            end = span.end_ns
        if 0 <= span.status <= 2:
            sums.statuses |= 1 << span.status
        sums.flags |= span.flags
        if not span.parent_id:
            rooted = True
    if not rooted or end < start or end >> 63:
        return False
    sums.high, sums.low = group.high, group.low
    sums.duration_ns = end - start
    sums.count = group.count
    return True
