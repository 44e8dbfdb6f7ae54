"""Conditions on a span, evaluated on its bytes."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from otel_fe.compiled.attributes cimport Keys, Pair
from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.spans cimport Span

cdef enum:
    UNREAD = -2  # the number of a span's attributes before they are split
    UNDECIDED = 0  # an answer: Python decides


cdef struct Step:
    int reads
    int key  # the number of the attribute, or of the fact
    int comparator
    int kind  # of the literal
    int64_t whole  # or a truth; of a text's pattern: whether nil does not match, rather than fail
    double real
    Bytes text
    Py_ssize_t size
    int then  # the number of the next step, or a negative answer
    int otherwise


@cython.final
cdef class Conditions:
    cdef Keys keys
    cdef list texts  # which the steps point into
    cdef list searches  # of regular expressions, each with the texts that it has seen; `Step.size` is the place
    cdef Step *steps
    cdef int count
    cdef list starts  # by program: the number of its first step; -1 for none

    cdef int add(self, int start, int length, tuple given) except -1
    cdef int answer(self, int start, Span *span, Pair *pairs, int *pairs_count, uint64_t facts, uint64_t unsure) noexcept
    cdef int search(self, Step *step, Bytes text, Py_ssize_t size) noexcept
    cdef int holds(self, Step *step, Span *span, Pair *pairs, int *pairs_count, uint64_t facts, uint64_t unsure) noexcept
