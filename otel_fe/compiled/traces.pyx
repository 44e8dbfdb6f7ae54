"""Traces by their ids: random numbers, places in tables, and the decisions of those that have been decided."""

cimport cython
from cpython.dict cimport PyDict_GetItem
from cpython.long cimport PyLong_FromVoidPtr
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from otel_fe.compiled.prefetch cimport prefetch
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

import os

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    MOST_REMEMBERED = 1 << 28  # decisions: 4 GiB of memory
    NUMBER_BITS = 16
    NUMBER = (1 << NUMBER_BITS) - 1

# Senders choose ids, and must not know which of them share a place in a table.
cdef uint64_t _SALT = int.from_bytes(os.urandom(8), "big") | 1
cdef uint64_t _SECOND_SALT = int.from_bytes(os.urandom(8), "big") | 1


cdef uint64_t place_of_id(uint64_t high, uint64_t low, int shift) noexcept:
    """Return the place of an id in a table of `2 ** (64 - shift)` places.

    The halves are not just multiplied and added: of ids whose halves are both multiples of 2**54, 1024 would share each sum.
    """
    high *= _SALT
    return ((high ^ high >> 32) + low) * _SECOND_SALT >> shift


def hash_of(uint64_t salted, trace_id):
    """Return the 64 bits of FNV-1a that continue `salted` with the 16 bytes of a trace's id."""
    return hash_of_id(salted, trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)


def key_of(trace_id):
    """Return 48 bits of an id, never all zero, above 16 bits that are zero."""
    return key_of_id(trace_id >> 64, trace_id & 0xFFFFFFFFFFFFFFFF)


@cython.final
cdef class DecisionTable:
    """A hash table of decisions by open addressing, at most four fifths full.

    A word has 48 bits of key and 16 of the decision's number; 0 is an empty place.
    """

    def __cinit__(self, Py_ssize_t limit):
        cdef uint64_t size = 1
        self.shift = 64
        if not 0 < limit <= MOST_REMEMBERED:
            raise ValueError(f"{limit} decisions cannot be remembered, {MOST_REMEMBERED} can")
        while size <= <uint64_t>(limit * 5 // 4 + 1):
            size <<= 1
            self.shift -= 1
        self.limit = limit
        self.count = 0
        self.mask = size - 1
        self.decisions = []
        self.numbers = {}
        self.words = <uint64_t *>calloc(size, sizeof(uint64_t))
        if self.words == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.words)

    cdef int64_t find(self, uint64_t key) noexcept:
        """Return the number of a key's decision; -1 if none is remembered."""
        cdef uint64_t index = key * _SALT >> self.shift
        cdef uint64_t word = self.words[index]
        while word:
            if not (word ^ key) >> NUMBER_BITS:
                return word & NUMBER
            index = index + 1 & self.mask
            word = self.words[index]
        return -1

    cdef int put(self, uint64_t key, decision) except -1:
        """Remember a decision; return 0 if there is no room."""
        cdef uint64_t index, word
        cdef uint64_t number
        cdef PyObject *known = PyDict_GetItem(self.numbers, <object>PyLong_FromVoidPtr(<void *>decision))
        if known != NULL:
            number = <object>known
        else:
            number = len(self.decisions)
            if number > NUMBER:
                return 0
            self.numbers[<object>PyLong_FromVoidPtr(<void *>decision)] = number
            self.decisions.append(decision)
        index = key * _SALT >> self.shift
        word = self.words[index]
        while word and (word ^ key) >> NUMBER_BITS:
            index = index + 1 & self.mask
            word = self.words[index]
        if not word:
            if self.count >= self.limit:
                return 0
            self.count += 1
        self.words[index] = key | number
        return 1

    cdef void prefetch(self, uint64_t key) noexcept:
        """Have the word loaded that `find` and `put` read first."""
        prefetch(&self.words[key * _SALT >> self.shift])


@cython.final
cdef class DecisionCache:
    """Decisions by key of trace id: at least the last `limit` of them."""

    def __cinit__(self, limit):
        self.limit = max(1, limit)
        self.now = DecisionTable(self.limit)
        self.before = None

    def __len__(self):
        return self.now.count + (0 if self.before is None else self.before.count)

    cdef object get(self, uint64_t key):
        cdef int64_t number = self.now.find(key)
        if number >= 0:
            return self.now.decisions[number]
        if self.before is None:
            return None
        number = self.before.find(key)
        if number < 0:
            return None
        found = self.before.decisions[number]
        self.put(key, found)
        return found

    cdef int put(self, uint64_t key, decision) except -1:
        if not self.now.put(key, decision):
            self.before = self.now
            self.now = DecisionTable(self.limit)
            self.now.put(key, decision)
        return 0

    def __getitem__(self, key):
        """Return the decision of a trace, by `key_of` its id; None if none is remembered."""
        return self.get(key)

    def __setitem__(self, key, decision):
        """Remember the decision of a trace, by `key_of` its id."""
        if not key or key & NUMBER:
            raise ValueError(f"{key:#x} is no key of a trace")
        self.put(key, decision)

    @property
    def longest(self):
        """The longest run of occupied places in the newer table: the words that one look-up reads at worst."""
        cdef uint64_t index
        cdef Py_ssize_t run = 0, most = 0
        for index in range(self.now.mask + 1):
            run = run + 1 if self.now.words[index] else 0
            most = max(most, run)
        return most

    @property
    def size_bytes(self):
        """Memory of the tables."""
        return 8 * (self.now.mask + 1) + (0 if self.before is None else 8 * (self.before.mask + 1))
