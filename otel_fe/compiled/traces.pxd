"""Traces by their ids: random numbers, places in tables, and the decisions of those that have been decided."""

cimport cython
from libc.stdint cimport int64_t, uint64_t


cdef inline uint64_t hash_of_id(uint64_t salted, uint64_t high, uint64_t low) noexcept:
    cdef int shift
    for shift in range(56, -1, -8):
        salted = (salted ^ (high >> shift & 0xFF)) * <uint64_t>0x100000001B3
    for shift in range(56, -1, -8):
        salted = (salted ^ (low >> shift & 0xFF)) * <uint64_t>0x100000001B3
    return salted


cdef inline uint64_t key_of_id(uint64_t high, uint64_t low) noexcept:
    cdef uint64_t mix = 0x9E3779B97F4A7C15
    return ((low ^ high * mix) * mix & <uint64_t>0xFFFFFFFFFFFF0000) or 0x10000


cdef uint64_t place_of_id(uint64_t high, uint64_t low, int shift) noexcept


@cython.final
cdef class DecisionTable:
    cdef uint64_t *words
    cdef uint64_t mask
    cdef int shift
    cdef Py_ssize_t count, limit
    cdef list decisions
    cdef dict numbers

    cdef int64_t find(self, uint64_t key) noexcept
    cdef int put(self, uint64_t key, decision) except -1
    cdef void prefetch(self, uint64_t key) noexcept


@cython.final
cdef class DecisionCache:
    cdef Py_ssize_t limit
    cdef DecisionTable now
    cdef DecisionTable before

    cdef object get(self, uint64_t key)
    cdef int put(self, uint64_t key, decision) except -1
