"""What the policies say of traces that look alike to them."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, uint32_t, uint64_t

from otel_fe.compiled.rows cimport Rows, Wait

cdef enum:  # of a budget for a trace
    REJECTED  # its randomness is too low, or it does not compete for the budget
    WITHIN
    TOO_LARGE  # it costs more than any trace may
    SPENT  # nothing fits the budget
    OUTCOMES  # how many there are


cdef struct Node:  # traces with the same bits and the same outcomes of the budgets before one
    int32_t after[OUTCOMES]  # by outcome of that budget: the node of the next budget; 0 if there is none yet
    int32_t competes  # whether they compete for that budget; negative if that is not known yet
    uint32_t round  # of the decision
    PyObject *decision  # NULL if there is none yet


cdef struct Root:  # traces with the same bits
    int32_t node
    bint final_known
    PyObject *final  # NULL if a later span may change the decision


@cython.final
cdef class Outcomes:
    cdef int words
    cdef object decided, final, competing
    cdef Node *nodes
    cdef Root *roots
    cdef uint64_t *bits  # of each root
    cdef int32_t *table  # the number of a root by the hash of its bits; 0 if none
    cdef int32_t node_count, node_room, root_count, root_room
    cdef uint64_t mask
    cdef uint32_t round
    cdef list held, finals  # what nodes and roots point to

    cdef void forget(self) noexcept
    cdef void make_room(self) noexcept
    cdef void forget_decisions(self) noexcept
    cdef int32_t root_of(self, const uint64_t *bits) except -1
    cdef int32_t add_root(self, const uint64_t *bits) except -1
    cdef uint64_t free_place(self, const uint64_t *bits) noexcept
    cdef int32_t add_node(self) except -1
    cdef int32_t add_after(self, int32_t node, int outcome) except -1
    cdef int ask_competes(self, int32_t node, int which, Rows rows, Wait *row) except -1
    cdef object decision_at(self, int32_t node, Rows rows, Wait *row)
    cdef object final_of(self, const uint64_t *bits, Rows rows, Wait *row)

    cdef inline int32_t after(self, int32_t node, int outcome) except -1:
        """Return the node of the next budget."""
        cdef int32_t found = self.nodes[node].after[outcome]
        return found if found else self.add_after(node, outcome)

    cdef inline bint competes(self, int32_t node, int which, Rows rows, Wait *row) except -1:
        """Return whether a trace competes for a budget, by the outcomes of those before it."""
        cdef int32_t known = self.nodes[node].competes
        return known if known >= 0 else self.ask_competes(node, which, rows, row)
