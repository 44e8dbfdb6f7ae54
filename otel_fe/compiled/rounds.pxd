"""Rounds of decisions: the traces of each compete for the budgets of limiters."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from otel_fe.compiled.leaves cimport Leaves
from otel_fe.compiled.outcomes cimport Outcomes
from otel_fe.compiled.rows cimport Rows, Wait


cdef struct Pool:  # a budget
    bint by_bytes  # whether a trace costs its bytes, or its spans
    int64_t most  # that a trace may cost


cdef struct Due:  # a trace of the round
    Wait *row
    uint64_t randomness
    int64_t count  # its cost in spans
    int64_t wrapped_bytes  # its cost in bytes
    int32_t node  # of `Outcomes`: behind the budgets so far
    int trigger


cdef struct Bid:  # of a trace that competes for a budget
    uint64_t randomness
    int64_t cost


@cython.final
cdef class Rounds:
    cdef Pool *pools
    cdef uint64_t *thresholds  # of the last round, on randomness; by budget
    cdef int count
    cdef list budgets, settlements
    cdef Outcomes outcomes
    cdef Due *due
    cdef Bid *bids  # room for those of all that are due
    cdef Py_ssize_t due_count, due_room

    cdef int begin(self, Rows rows, Leaves leaves, int64_t arrived_until_ns, int64_t rooted_until_ns, now_ns) except -1
    cdef int begin_oldest(self, Rows rows, Leaves leaves, now_ns) except -1
    cdef int add(self, Wait *row, int trigger) except -1
    cdef int ration(self, Rows rows, Leaves leaves, now_ns) except -1
    cdef Py_ssize_t collect(self, int which, Rows rows) except -1
    cdef int advance(self, int which, Rows rows, Due *due) except -1
    cdef object decision_of(self, Rows rows, Leaves leaves, Wait *row)
