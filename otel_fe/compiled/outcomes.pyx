"""What the policies say of traces that look alike to them: each question is asked once.

A trace's bits (what its leaves say) and the outcomes of the budgets that it competes for are all that its decision depends on. So the
questions form a tree: below the root for some bits, each level is a budget and each branch an outcome of it, and at the end is the
decision. Whether a trace competes for a budget depends on the bits and on the outcomes of budgets before it, wherever the policies
nest them: limiters in `not`, `drop`, `and` and `composite` differ from others in the answers only.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy, memset

from otel_fe.compiled.rows cimport Rows, Wait
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    MOST_ROOTS = 4_096  # between two rounds
    MOST_NODES = 65_536
    FIRST_ROOTS = 64
    FIRST_NODES = 256

cdef uint64_t _MIX = 0x9E3779B97F4A7C15


@cython.final
cdef class Outcomes:
    """The answers of a sampler's policies. Node 0 is none.

    Args:
        words: The number of 64-bit words of a trace's bits.
        decided: Given a row, returns the decision by the thresholds of the last round.
        final: Given a row, returns the decision if no later span can change it, or None.
        competing: Given a row and the number of a budget, returns whether the trace competes for it, by the thresholds that this
            round has for the budgets before.
    """

    def __cinit__(self, int words, decided, final, competing):
        self.words = words
        self.decided, self.final, self.competing = decided, final, competing
        self.round = 1
        self.held, self.finals = [], []
        self.node_count = self.root_count = 1
        self.node_room, self.root_room = FIRST_NODES, FIRST_ROOTS
        self.mask = 2 * FIRST_ROOTS - 1
        self.nodes = <Node *>calloc(self.node_room, sizeof(Node))
        self.roots = <Root *>calloc(self.root_room, sizeof(Root))
        self.bits = <uint64_t *>calloc(self.root_room * self.words, sizeof(uint64_t))
        self.table = <int32_t *>calloc(self.mask + 1, sizeof(int32_t))
        if self.nodes == NULL or self.roots == NULL or self.bits == NULL or self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.nodes)
        free(self.roots)
        free(self.bits)
        free(self.table)

    cdef void forget(self) noexcept:
        """Forget everything."""
        cdef Node *fewer
        self.held.clear()
        self.finals.clear()
        self.node_count = self.root_count = 1
        memset(self.table, 0, (self.mask + 1) * sizeof(int32_t))
        if self.node_room > 2 * MOST_NODES:  # a round of traces that were all different
            fewer = <Node *>realloc(self.nodes, FIRST_NODES * sizeof(Node))
            if fewer != NULL:
                self.nodes, self.node_room = fewer, FIRST_NODES

    cdef void make_room(self) noexcept:
        """Forget everything if it has become too much. Nodes that were returned before are no longer valid then."""
        if self.root_count > MOST_ROOTS or self.node_count > MOST_NODES:
            self.forget()

    cdef void forget_decisions(self) noexcept:
        """Forget the decisions, since a threshold differs from the last round's. Who competes stays known."""
        cdef int32_t i
        self.held.clear()
        self.round += 1
        if not self.round:  # it has come round: a decision may look like one of this round
            for i in range(self.node_count):
                self.nodes[i].decision = NULL
            self.round = 1

    # --- the tree ------------------------------------------------------------------------------------------------------

    cdef int32_t root_of(self, const uint64_t *bits) except -1:
        """Return the number of the root of some bits."""
        cdef uint64_t place = _hash(bits, self.words) & self.mask
        cdef int32_t found = self.table[place]
        while found:
            if not memcmp(self.bits + found * self.words, bits, self.words * sizeof(uint64_t)):
                return found
            place = place + 1 & self.mask
            found = self.table[place]
        return self.add_root(bits)

    cdef int32_t add_root(self, const uint64_t *bits) except -1:
        cdef int32_t number, other, node
        cdef uint64_t place
        cdef void *more
        if self.root_count == self.root_room:
            more = realloc(self.roots, 2 * self.root_room * sizeof(Root))
            if more == NULL:
                raise MemoryError
            self.roots = <Root *>more
            more = realloc(self.bits, 2 * self.root_room * self.words * sizeof(uint64_t))
            if more == NULL:
                raise MemoryError
            self.bits = <uint64_t *>more
            more = calloc(4 * self.root_room, sizeof(int32_t))
            if more == NULL:
                raise MemoryError
            free(self.table)
            self.table = <int32_t *>more
            self.root_room *= 2
            self.mask = 2 * self.root_room - 1
            for other in range(1, self.root_count):
                self.table[self.free_place(self.bits + other * self.words)] = other
        node = self.add_node()
        number = self.root_count
        self.root_count += 1
        memcpy(self.bits + number * self.words, bits, self.words * sizeof(uint64_t))
        self.roots[number].node, self.roots[number].final_known, self.roots[number].final = node, False, NULL
        self.table[self.free_place(bits)] = number
        return number

    cdef uint64_t free_place(self, const uint64_t *bits) noexcept:
        cdef uint64_t place = _hash(bits, self.words) & self.mask
        while self.table[place]:
            place = place + 1 & self.mask
        return place

    cdef int32_t add_node(self) except -1:
        cdef Node *more
        cdef Node *made
        cdef int outcome
        if self.node_count == self.node_room:
            more = <Node *>realloc(self.nodes, 2 * self.node_room * sizeof(Node))
            if more == NULL:
                raise MemoryError
            self.nodes = more
            self.node_room *= 2
        made = &self.nodes[self.node_count]
        for outcome in range(OUTCOMES):
            made.after[outcome] = 0
        made.competes, made.round, made.decision = -1, 0, NULL
        self.node_count += 1
        return self.node_count - 1

    cdef int32_t add_after(self, int32_t node, int outcome) except -1:
        cdef int32_t made = self.add_node()
        self.nodes[node].after[outcome] = made
        return made

    # --- the answers ---------------------------------------------------------------------------------------------------

    cdef int ask_competes(self, int32_t node, int which, Rows rows, Wait *row) except -1:
        cdef bint found = self.competing(rows.values_of(row), which)
        self.nodes[node].competes = found
        return found

    cdef object decision_at(self, int32_t node, Rows rows, Wait *row):
        """Return the decision on a trace, given the node behind its last budget."""
        cdef Node *at = &self.nodes[node]
        if at.decision != NULL and at.round == self.round:
            return <object>at.decision
        made = self.decided(rows.values_of(row))
        self.held.append(made)
        at.decision, at.round = <PyObject *>made, self.round
        return made

    cdef object final_of(self, const uint64_t *bits, Rows rows, Wait *row):
        """Return the decision on a trace if no later span can change it; None otherwise."""
        cdef int32_t number
        self.make_room()
        number = self.root_of(bits)
        if not self.roots[number].final_known:
            made = self.final(rows.values_of(row))
            if made is not None:
                self.finals.append(made)
                self.roots[number].final = <PyObject *>made
            self.roots[number].final_known = True
        return None if self.roots[number].final == NULL else <object>self.roots[number].final


cdef inline uint64_t _hash(const uint64_t *bits, int words) noexcept:
    cdef uint64_t mixed = 0
    cdef int i
    for i in range(words):
        mixed = (mixed ^ bits[i]) * _MIX
        mixed ^= mixed >> 32
    return mixed
