"""Rounds of decisions: the traces of each compete for the budgets of limiters."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from otel_fe.compiled.leaves cimport Leaves
from otel_fe.compiled.rows cimport Rows, Wait

cdef enum:
    MOST_POOLS = 16
    MOST_KNOWN = 16


cdef struct Pool:  # a budget
    bint by_bytes  # whether a trace costs its bytes, or its spans
    int64_t most  # that a trace may cost
    uint64_t threshold  # of this round, on randomness


cdef struct Due:  # a trace of the round
    Wait *row
    uint64_t bits  # what its leaves say
    uint32_t competes  # the pools that it competes for, as bits
    int trigger


cdef struct Known:  # a decision, by what the leaves say and by the outcome of each budget
    uint64_t bits
    uint64_t outcomes
    PyObject *decision


@cython.final
cdef class Rounds:
    cdef Pool pools[MOST_POOLS]
    cdef int count
    cdef list budgets, settlements
    cdef object competing
    cdef dict competes, decisions
    cdef Known known[MOST_KNOWN]  # the first of `decisions`, which holds them
    cdef int known_count
    cdef Due *due
    cdef Py_ssize_t due_count, due_room

    cdef int begin(self, Rows rows, Leaves leaves, int64_t arrived_until_ns, int64_t rooted_until_ns, now_ns) except -1
    cdef int add(self, Wait *row, int trigger) except -1
    cdef uint32_t competes_for(self, Rows rows, Due *due) except? 0xFFFFFFFF
    cdef int ration(self, now_ns) except -1
    cdef void forget_decisions(self) noexcept
    cdef object decision_of(self, Rows rows, Wait *row, uint64_t bits, decided)
