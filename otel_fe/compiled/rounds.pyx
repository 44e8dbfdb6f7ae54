"""Rounds of decisions: the traces of each compete for the budgets of limiters.

`pipeline/policies/limiting.py` and `composite.py` define each budget, and `limiting.cut` how it is spent. Budgets are spent one after
another, since the outcome of one may decide who competes for the next: behind a `drop`, or within a `composite`.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, qsort, realloc

from otel_fe.compiled.leaves cimport Leaves
from otel_fe.compiled.outcomes cimport REJECTED, SPENT, TOO_LARGE, WITHIN, Outcomes
from otel_fe.compiled.rows cimport Rows, Wait, prefetch_row, randomness_of
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    AHEAD = 4  # traces between the one in hand and the one that the processor is to load


cdef int64_t MOST_COST = <int64_t>1 << 62
cdef uint64_t NEVER = <uint64_t>1 << 56


@cython.final
cdef class Rounds:
    """The budgets of a sampler's limiters, and the round of traces that is being decided.

    Args:
        pools: For each budget, in the order in which they are spent: whether a trace costs its bytes, the most that one may cost, what
            returns the budget at a monotonic time, and what takes the threshold and the amount that was spent.
        outcomes: The answers of the policies.
    """

    def __cinit__(self, pools, Outcomes outcomes not None):
        cdef list given = list(pools)
        self.outcomes, self.budgets, self.settlements = outcomes, [], []
        self.pools = <Pool *>calloc(len(given) + 1, sizeof(Pool))
        self.thresholds = <uint64_t *>calloc(len(given) + 1, sizeof(uint64_t))
        if self.pools == NULL or self.thresholds == NULL:
            raise MemoryError
        for by_bytes, most, budget, settle in given:
            self.pools[self.count].by_bytes = by_bytes
            self.pools[self.count].most = min(most, MOST_COST)
            self.thresholds[self.count] = NEVER
            self.budgets.append(budget)
            self.settlements.append(settle)
            self.count += 1

    def __dealloc__(self):
        free(self.pools)
        free(self.thresholds)
        free(self.due)
        free(self.bids)

    cdef int begin(self, Rows rows, Leaves leaves, int64_t arrived_until_ns, int64_t rooted_until_ns, now_ns) except -1:
        """Collect the traces that are due, and set the threshold of each budget."""
        cdef Wait *row = rows.oldest
        self.due_count = 0
        while row != NULL and row.arrived_ns <= arrived_until_ns:
            self.add(row, 1)
            row = row.newer
        row = rows.rooted_oldest
        while row != NULL and row.root_received_ns <= rooted_until_ns:
            if row.arrived_ns > arrived_until_ns:
                self.add(row, 2)
            row = row.rooted_newer
        return self.ration(rows, leaves, now_ns)

    cdef int begin_oldest(self, Rows rows, Leaves leaves, now_ns) except -1:
        """Begin a round of the oldest trace alone."""
        self.due_count = 0
        if rows.oldest != NULL:
            self.add(rows.oldest, 0)
        return self.ration(rows, leaves, now_ns)

    cdef int add(self, Wait *row, int trigger) except -1:
        cdef void *more
        if self.due_count == self.due_room:
            more = realloc(self.due, (2 * self.due_room + 64) * sizeof(Due))
            if more == NULL:
                raise MemoryError
            self.due = <Due *>more
            more = realloc(self.bids, (2 * self.due_room + 64) * sizeof(Bid))
            if more == NULL:
                raise MemoryError
            self.bids = <Bid *>more
            self.due_room = 2 * self.due_room + 64
        self.due[self.due_count].row, self.due[self.due_count].trigger = row, trigger
        self.due_count += 1
        return 0

    cdef int ration(self, Rows rows, Leaves leaves, now_ns) except -1:
        """Spend each budget on the traces with the highest randomness that compete for it."""
        cdef Due *due
        cdef Py_ssize_t i, count
        cdef int which
        cdef int64_t spent
        cdef uint64_t threshold
        if not self.due_count:
            return 0
        self.outcomes.make_room()
        for i in range(self.due_count):
            if i + AHEAD < self.due_count:
                prefetch_row(self.due[i + AHEAD].row)
            due = &self.due[i]
            due.node = self.outcomes.roots[self.outcomes.root_of(leaves.bits_of(due.row))].node
            due.randomness, due.count, due.wrapped_bytes = randomness_of(due.row), due.row.count, due.row.wrapped_bytes
        for which in range(self.count):
            count = self.collect(which, rows)
            spent = min(self.budgets[which](now_ns), MOST_COST)  # not yet: what there is to spend
            threshold = _cut(self.bids, count, &spent)
            if threshold != self.thresholds[which]:
                self.thresholds[which] = threshold
                self.outcomes.forget_decisions()
            self.settlements[which](threshold, spent)
            for i in range(self.due_count):
                self.advance(which, rows, &self.due[i])
        return 0

    cdef Py_ssize_t collect(self, int which, Rows rows) except -1:
        """Collect the bids for a budget; return how many there are."""
        cdef Pool *pool = &self.pools[which]
        cdef Due *due
        cdef Py_ssize_t i, count = 0
        cdef int64_t cost
        for i in range(self.due_count):
            due = &self.due[i]
            if self.outcomes.competes(due.node, which, rows, due.row):
                cost = due.wrapped_bytes if pool.by_bytes else due.count
                if cost <= pool.most:
                    self.bids[count].randomness, self.bids[count].cost = due.randomness, cost
                    count += 1
        return count

    cdef int advance(self, int which, Rows rows, Due *due) except -1:
        """Move a trace on to the node of the next budget."""
        cdef Pool *pool = &self.pools[which]
        cdef int outcome = REJECTED
        if (due.wrapped_bytes if pool.by_bytes else due.count) > pool.most:
            outcome = TOO_LARGE
        elif self.thresholds[which] == NEVER:
            outcome = SPENT
        elif due.randomness >= self.thresholds[which] and self.outcomes.competes(due.node, which, rows, due.row):
            outcome = WITHIN
        due.node = self.outcomes.after(due.node, outcome)
        return 0

    cdef object decision_of(self, Rows rows, Leaves leaves, Wait *row):
        """Return the decision on a trace by the thresholds of the last round."""
        cdef Due due
        cdef int which
        self.outcomes.make_room()
        due.row, due.node = row, self.outcomes.roots[self.outcomes.root_of(leaves.bits_of(row))].node
        due.randomness, due.count, due.wrapped_bytes = randomness_of(row), row.count, row.wrapped_bytes
        for which in range(self.count):
            self.advance(which, rows, &due)
        return self.outcomes.decision_at(due.node, rows, row)


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
