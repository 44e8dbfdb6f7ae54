"""Rounds of decisions: the traces of each compete for the budgets of limiters.

`pipeline/policies/limiting.py` and `composite.py` define each budget, and `limiting.cut` how it is spent.
"""

cimport cython
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc

from otel_fe.compiled.leaves cimport Leaves
from otel_fe.compiled.rows cimport Rows, Wait, prefetch_row, randomness_of
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    MOST_REMEMBERED = 4096  # by the leaves that sample
    AHEAD = 4  # traces between the one in hand and the one that the processor is to load


cdef struct Bid:
    uint64_t randomness
    int64_t cost


cdef int64_t MOST_COST = <int64_t>1 << 62
cdef uint64_t NEVER = <uint64_t>1 << 56


@cython.final
cdef class Rounds:
    """The budgets of a sampler's limiters, and the round of traces that is being decided.

    Args:
        pools: For each budget: whether a trace costs its bytes, the most that one may cost, what returns the budget at a monotonic
            time, and what takes the threshold and the amount that was spent.
        competing: Given a row, returns the budgets that it competes for, as bits.
    """

    def __cinit__(self, pools, competing):
        self.due = NULL
        self.count = self.due_count = self.due_room = self.known_count = 0
        self.budgets, self.settlements, self.competing = [], [], competing
        self.competes, self.decisions = {}, {}
        for by_bytes, most, budget, settle in pools:
            if self.count == MOST_POOLS:
                raise ValueError(f"more than {MOST_POOLS} limiters")
            self.pools[self.count].by_bytes = by_bytes
            self.pools[self.count].most = min(most, MOST_COST)
            self.pools[self.count].threshold = NEVER
            self.budgets.append(budget)
            self.settlements.append(settle)
            self.count += 1

    def __dealloc__(self):
        free(self.due)

    cdef int begin(self, Rows rows, Leaves leaves, int64_t arrived_until_ns, int64_t rooted_until_ns, now_ns) except -1:
        """Collect the traces that are due, and set the threshold of each budget."""
        cdef Wait *row = rows.oldest
        cdef Py_ssize_t i
        self.due_count = 0
        while row != NULL and row.arrived_ns <= arrived_until_ns:
            self.add(row, 1)
            row = row.newer
        row = rows.rooted_oldest
        while row != NULL and row.root_received_ns <= rooted_until_ns:
            if row.arrived_ns > arrived_until_ns:
                self.add(row, 2)
            row = row.rooted_newer
        for i in range(self.due_count):
            if i + AHEAD < self.due_count:
                prefetch_row(self.due[i + AHEAD].row)
            self.due[i].bits = leaves.bits_of(self.due[i].row)
            self.due[i].competes = self.competes_for(rows, &self.due[i])
        if self.due_count:
            self.ration(now_ns)
        return 0

    cdef int add(self, Wait *row, int trigger) except -1:
        cdef Due *more
        if self.due_count == self.due_room:
            more = <Due *>realloc(self.due, (2 * self.due_room + 64) * sizeof(Due))
            if more == NULL:
                raise MemoryError
            self.due = more
            self.due_room = 2 * self.due_room + 64
        self.due[self.due_count].row, self.due[self.due_count].trigger = row, trigger
        self.due_count += 1
        return 0

    cdef uint32_t competes_for(self, Rows rows, Due *due) except? 0xFFFFFFFF:
        cdef PyObject *known = PyDict_GetItem(self.competes, due.bits)
        if known != NULL:
            return <object>known
        if PyDict_Size(self.competes) >= MOST_REMEMBERED:
            self.competes.clear()
        found = self.competes[due.bits] = self.competing(rows.values_of(due.row))
        return found

    cdef int ration(self, now_ns) except -1:
        """Spend each budget on the traces with the highest randomness that compete for it."""
        cdef Bid *bids = <Bid *>malloc(self.due_count * sizeof(Bid))
        cdef Pool *pool
        cdef Py_ssize_t i, count
        cdef int which
        cdef int64_t cost, spent
        cdef uint64_t threshold
        if bids == NULL:
            raise MemoryError
        try:
            for which in range(self.count):
                pool, count = &self.pools[which], 0
                for i in range(self.due_count):
                    cost = _cost(pool, self.due[i].row)
                    if self.due[i].competes >> which & 1 and cost <= pool.most:
                        bids[count].randomness, bids[count].cost = randomness_of(self.due[i].row), cost
                        count += 1
                spent = min(self.budgets[which](now_ns), MOST_COST)  # not yet: what there is to spend
                threshold = _cut(bids, count, &spent)
                if threshold != pool.threshold:
                    pool.threshold = threshold
                    self.forget_decisions()
                self.settlements[which](threshold, spent)
        finally:
            free(bids)
        return 0

    cdef void forget_decisions(self) noexcept:
        self.known_count = 0
        self.decisions.clear()

    cdef object decision_of(self, Rows rows, Wait *row, uint64_t bits, decided):
        """Return the decision on a trace by the thresholds of the last round.

        Args:
            rows: The traces that wait.
            row: The trace.
            bits: What its leaves say.
            decided: Given a row, returns the decision.
        """
        cdef uint64_t outcomes = 0
        cdef uint64_t randomness = randomness_of(row)
        cdef PyObject *found
        cdef Pool *pool
        cdef int which
        for which in range(self.count):
            pool = &self.pools[which]
            outcomes = outcomes << 2 | (2 if _cost(pool, row) > pool.most else randomness >= pool.threshold)
        for which in range(self.known_count):  # without the Python numbers that a dictionary needs
            if self.known[which].bits == bits and self.known[which].outcomes == outcomes:
                return <object>self.known[which].decision
        key = (<object>bits) << 2 * MOST_POOLS | outcomes
        found = PyDict_GetItem(self.decisions, key)
        if found == NULL:
            made = decided(rows.values_of(row))
            if PyDict_Size(self.decisions) >= MOST_REMEMBERED:
                self.forget_decisions()
            self.decisions[key] = made
            found = <PyObject *>made  # the dictionary holds it
        if self.known_count < MOST_KNOWN:
            which = self.known_count
            self.known[which].bits, self.known[which].outcomes, self.known[which].decision = bits, outcomes, found
            self.known_count += 1
        return <object>found


cdef inline int64_t _cost(Pool *pool, Wait *row) noexcept:
    return row.wrapped_bytes if pool.by_bytes else row.count


cdef int _descending(const void *first, const void *second) noexcept nogil:
    cdef const Bid *a = <const Bid *>first
    cdef const Bid *b = <const Bid *>second
    if a.randomness != b.randomness:
        return 1 if a.randomness < b.randomness else -1
    return 0 if a.cost == b.cost else 1 if a.cost < b.cost else -1


cdef uint64_t _cut(Bid *bids, Py_ssize_t count, int64_t *budget) noexcept:
    """Return the threshold that spends a budget as `limiting.cut` does; set `budget` to what that costs."""
    cdef int64_t spent = 0
    cdef Py_ssize_t i = 0, j
    qsort(bids, count, sizeof(Bid), _descending)
    while i < count and spent + bids[i].cost <= budget[0]:
        spent += bids[i].cost
        i += 1
    if i == count:
        budget[0] = spent
        return 0
    # No threshold can part traces of equal randomness: all of them go.
    budget[0] = 0
    for j in range(i):
        if bids[j].randomness > bids[i].randomness:
            budget[0] += bids[j].cost
    return bids[i].randomness + 1 if i and bids[0].randomness > bids[i].randomness else NEVER
