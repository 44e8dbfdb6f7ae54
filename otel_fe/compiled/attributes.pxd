"""Attributes, read in place from a span's bytes."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.spans cimport Span

cdef enum:
    MOST_PAIRS = 128  # attributes of a span; one with more is unusual


cdef enum:  # the type of a value
    OTHER
    TEXT
    TRUTH
    WHOLE
    REAL


cdef struct Simple:  # a value
    Bytes text
    int64_t size
    int64_t whole  # or a truth
    double real


cdef struct Pair:
    Bytes key
    Py_ssize_t key_size
    Bytes value  # an `AnyValue`
    Py_ssize_t value_size


@cython.final
cdef class Keys:
    cdef tuple encoded
    cdef int count
    cdef Bytes *at
    cdef Py_ssize_t *sizes

    cdef inline Pair *find(self, int key, Pair *pairs, int count) noexcept:
        """Return the first attribute with the name of a number; NULL if there is none."""
        cdef int i
        for i in range(count):
            if pairs[i].key_size == self.sizes[key] and not memcmp(pairs[i].key, self.at[key], self.sizes[key]):
                return &pairs[i]
        return NULL


cdef int pairs_of(Span *span, Pair *pairs) noexcept
cdef int simple_value(Bytes p, Py_ssize_t size, Simple *found) noexcept
cdef int64_t ns_of(int kind, Simple *value) noexcept
