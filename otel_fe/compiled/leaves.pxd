"""Policies without policies in them, evaluated on spans as they arrive, and on the sums of a trace."""

cimport cython
from libc.stdint cimport int64_t, uint64_t

from otel_fe.compiled.attributes cimport Keys, Pair
from otel_fe.compiled.batches cimport Batch, Group, Row
from otel_fe.compiled.conditions cimport Conditions
from otel_fe.compiled.rows cimport Wait

cdef enum:
    MOST_LEAVES = 60  # of a word, with the bits of those that may fail


cdef struct Leaf:  # a policy without policies in it
    int by
    uint64_t least  # value to sample a trace; for bits, those of which one must be set
    uint64_t most  # inclusive
    uint64_t salted
    uint64_t threshold  # on a trace's own randomness
    int64_t lowest  # of a number; the truth that is wanted
    int64_t highest
    int key  # the first of its attributes
    int keys
    bint headed  # whether name, kind and status count, too
    int seen  # the place in `Wait.seen` of what it saw
    int failed  # the bit for: it failed
    int program  # the first step of its program; -1 if it has none


@cython.final
@cython.no_gc
cdef class Origin:
    cdef object resource, scope
    cdef uint64_t number
    cdef uint64_t nothing  # the leaves that do not match a span without attributes
    cdef uint64_t has  # the leaves whose attribute the resource has
    cdef uint64_t facts  # that programs read
    cdef uint64_t unsure  # the facts that a span's evaluation in Python has to find out


@cython.final
cdef class Leaves:
    cdef Leaf leaves[MOST_LEAVES]
    cdef int count
    cdef int word  # the number of the word of its bits
    cdef int place  # of its bits in `Wait.seen`; -1 for `Wait.bits`
    cdef int first  # the number of leaves in the words before
    cdef int seen_count  # up to its own
    cdef int most_answers
    cdef Leaves more  # those of the next word; None behind the last
    cdef uint64_t *said  # what `bits_of` returns; only in the first
    cdef uint64_t of_spans  # the leaves that look at each span
    cdef uint64_t final_bits
    cdef Keys keys
    cdef Conditions conditions
    cdef object asked, told, facts
    cdef dict known
    cdef set known_resources
    cdef int64_t known_bytes  # a resource counts once
    cdef list answers  # by leaf: its answers by the inputs that it reads of a span
    cdef uint64_t numbers  # of resources with their scopes, never used again

    cdef inline uint64_t *bits_at(self, Wait *row) noexcept:
        """Return the bits of those that have matched a span."""
        return &row.bits if self.place < 0 else <uint64_t *>&row.seen[self.place]

    cdef Origin known_of(self, tuple origin)
    cdef int look(self, Wait *row, Batch batch, Group *group, Row *each, list origins, uint64_t leaves) except -1
    cdef int look_up(self, Wait *row, int i, Batch batch, Group *group, Row *each, Origin known, Pair *pairs, int count) except -1
    cdef object ask(self, int i, Batch batch, Group *group, Row *each)
    cdef int answer(self, Wait *row, int i, said) except -1
    cdef int answer_objects(self, Wait *row, answers) except -1
    cdef int note_state(self, Wait *row, str state) except -1
    cdef uint64_t word_of(self, Wait *row) noexcept
    cdef uint64_t *bits_of(self, Wait *row) noexcept
    cdef bint may_be_final(self, Wait *row) noexcept


cdef Leaves leaves_of(words, asked, told, final_bits)
