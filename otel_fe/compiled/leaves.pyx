"""Policies without policies in them, evaluated on spans as they arrive, and on the sums of a trace."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from otel_fe.compiled.attributes cimport MOST_PAIRS, OTHER, TRUTH, WHOLE, Keys, Pair, Simple, pairs_of, simple_value
from otel_fe.compiled.batches cimport Batch, Group, Row
from otel_fe.compiled.conditions cimport UNDECIDED, UNREAD, Conditions
from otel_fe.compiled.rows cimport Wait
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Span
from otel_fe.compiled.traces cimport hash_of_id

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    BY_DURATION, BY_STATUS, BY_FLAGS, BY_COUNT, BY_HASH, BY_NOTHING  # of all spans
    BY_NUMBER, BY_TRUTH, BY_INPUTS, BY_STATE, BY_ASKING  # of each span


cdef enum:
    MOST_ANSWERS = 240_000  # that are remembered for all leaves: 150 MB at most
    MOST_LEAF_ANSWERS = 8_000  # for one of them
    MOST_KNOWN = 10_000  # resources with their scopes
    MOST_KNOWN_BYTES = 8 << 20  # of these: senders choose how large one is
    LONGEST_INPUT = 512
    TELLS = 62  # the bit for: a span states how it was sampled before
    UNSTARTED = 63  # the bit for: no span has a start


cdef dict _LEAVES = {
    "duration": BY_DURATION,
    "status": BY_STATUS,
    "flags": BY_FLAGS,
    "count": BY_COUNT,
    "hash": BY_HASH,
    "nothing": BY_NOTHING,
    "number": BY_NUMBER,
    "truth": BY_TRUTH,
    "inputs": BY_INPUTS,
    "state": BY_STATE,
    "asking": BY_ASKING,
}


@cython.final
@cython.no_gc
cdef class Origin:
    """A resource with a scope, and the answers of leaves about it."""


@cython.final
cdef class Leaves:
    """The leaves of a sampler's policies whose bits are one word. Those of the next word follow in `more`.

    Args:
        leaves: For each its kind and its numbers, as `pipeline/policies/leaf_word.py` packs them.
        names: The names of the attributes that leaves read, one leaf's after another's.
        programs: For each leaf its program, or None, as for `Conditions`.
        facts: As for `Waiting`.
        asked: As for `Waiting`.
        told: As for `Waiting`.
        final_bits: As for `Waiting`, of this word.
        before: The leaves of the word before; None for the first word.
    """

    def __cinit__(self, leaves, names, programs, facts, asked, told, uint64_t final_bits, Leaves before):
        cdef int i = 0
        cdef tuple given = tuple(leaves)
        cdef Leaf *leaf
        self.keys, self.conditions, self.facts = Keys(names), Conditions(programs, names), facts
        self.count, self.place = len(given), -1
        if before is not None:
            self.word, self.first, self.seen_count = before.word + 1, before.first + before.count, before.seen_count
            before.more = self
        if self.count > MOST_LEAVES:
            raise ValueError(f"{self.count} policies, more than {MOST_LEAVES}")
        if len(self.conditions.starts) != self.count:
            raise ValueError(f"{len(self.conditions.starts)} programs for {self.count} policies")
        for name, least, most, salted, threshold, lowest, highest, key, keys, headed, failed in given:
            leaf = &self.leaves[i]
            leaf.by = _LEAVES[name]
            leaf.least, leaf.most, leaf.salted, leaf.threshold = least, most, salted, threshold
            leaf.lowest, leaf.highest, leaf.key, leaf.keys, leaf.headed = lowest, highest, key, keys, headed
            leaf.failed = failed
            leaf.seen = leaf.program = -1
            if not 0 <= leaf.key <= leaf.key + leaf.keys <= self.keys.count or not -1 <= leaf.failed < MOST_LEAVES:
                raise ValueError(f"policy {i} looks at attributes that are not there")
            if leaf.by >= BY_NUMBER:
                if leaf.by <= BY_TRUTH and leaf.keys != 1:
                    raise ValueError(f"policy {i} looks at one attribute, not at {leaf.keys}")
                leaf.seen = self.seen_count
                leaf.program = self.conditions.starts[i]
                self.seen_count += 1
                self.of_spans |= <uint64_t>1 << i
            i += 1
        self.asked, self.told, self.final_bits = asked, told, final_bits
        self.known, self.known_resources = {}, set()
        self.answers = [{} for _ in range(self.count)]
        self.most_answers = MOST_LEAF_ANSWERS
        self.numbers = 0
        self.known_bytes = 0

    def __dealloc__(self):
        free(self.said)

    # --- spans ---------------------------------------------------------------------------------------------------------

    cdef int note_state(self, Wait *row, str state) except -1:
        """Note the sampling entries of a span's `tracestate`."""
        randomness, sampled = self.told(state)
        row.has_trace_state = True
        if randomness is not None:
            if not row.explicit or <uint64_t>randomness < row.randomness:
                row.randomness = randomness
            row.explicit = row.tells = True
        if sampled:
            row.tells = True
        return 0

    cdef Origin known_of(self, tuple origin):
        cdef Origin found
        cdef int i
        cdef int64_t size
        cdef Leaf *leaf
        found = self.known.get((origin[0], origin[1]))
        if found is not None:
            return found
        size = <int64_t>origin[1].size_bytes + (0 if origin[0] in self.known_resources else <int64_t>origin[0].size_bytes)
        if PyDict_Size(self.known) >= MOST_KNOWN or self.known_bytes + size > MOST_KNOWN_BYTES:
            self.known.clear()
            self.known_resources.clear()
            self.known_bytes, size = 0, <int64_t>origin[0].size_bytes + <int64_t>origin[1].size_bytes
            self.answers = [{} for _ in range(self.count)]  # they name resources by their numbers
        found = Origin()
        self.numbers += 1
        found.resource, found.scope, found.number = origin[0], origin[1], self.numbers
        found.nothing = found.has = found.facts = found.unsure = 0
        if self.facts is not None:
            found.facts, found.unsure = self.facts(origin[0], origin[1])
        attributes = origin[0].attributes
        for i in range(self.count):
            leaf = &self.leaves[i]
            if BY_NUMBER <= leaf.by <= BY_TRUTH and self.keys.encoded[leaf.key].decode() in attributes:
                found.has |= <uint64_t>1 << i
        self.known[origin[0], origin[1]] = found
        self.known_resources.add(origin[0])
        self.known_bytes += size
        return found

    cdef int look(self, Wait *row, Batch batch, Group *group, Row *each, list origins, uint64_t leaves) except -1:
        """Evaluate the leaves that have not matched yet on a span.

        Args:
            row: Its trace.
            batch: Its request.
            group: Its trace in the request.
            each: The span.
            origins: The `Origin` of each resource and scope of the request, once it is known: one word's after another's.
            leaves: Those leaves.
        """
        cdef Py_ssize_t origin = each.origin + self.word * PyList_GET_SIZE(batch.origins)
        cdef Origin known = <Origin>PyList_GET_ITEM(origins, origin)
        cdef uint64_t *bits = self.bits_at(row)
        cdef Pair pairs[MOST_PAIRS]
        cdef Pair *pair
        cdef Simple value
        cdef Span *span = &each.span
        cdef Leaf *leaf
        cdef int count = UNREAD, i, kind, found
        if known is None:
            known = origins[origin] = self.known_of(batch.origin_of(each))
        for i in range(self.count):
            if not leaves >> i & 1:
                continue
            leaf = &self.leaves[i]
            if leaf.program >= 0:
                found = self.conditions.answer(leaf.program, span, pairs, &count, known.facts, known.unsure)
                if found != UNDECIDED:
                    if found < -1:
                        bits[0] |= <uint64_t>1 << i
                        row.seen[leaf.seen] = -2 - found
                    continue
            if leaf.by == BY_STATE:
                if span.state_size:
                    self.answer(row, i, self.ask(i, batch, group, each))
                continue
            if count == UNREAD:
                count = pairs_of(span, pairs)
            if leaf.by == BY_ASKING or count < 0 or known.has >> i & 1:
                self.answer(row, i, self.ask(i, batch, group, each))
                continue
            if leaf.by == BY_INPUTS:
                self.look_up(row, i, batch, group, each, known, pairs, count)
                continue
            pair = self.keys.find(leaf.key, pairs, count)
            if pair == NULL:
                continue
            kind = simple_value(pair.value, pair.value_size, &value)
            if kind == OTHER:
                self.answer(row, i, self.ask(i, batch, group, each))
            elif leaf.by == BY_NUMBER:
                if kind != WHOLE:
                    value.whole = 0
                if leaf.lowest <= value.whole <= leaf.highest:
                    bits[0] |= <uint64_t>1 << i
                    row.seen[leaf.seen] = value.whole
            elif (kind == TRUTH and value.whole != 0) == (leaf.lowest != 0):
                bits[0] |= <uint64_t>1 << i
                row.seen[leaf.seen] = leaf.lowest
        return 0

    cdef int look_up(self, Wait *row, int i, Batch batch, Group *group, Row *each, Origin known, Pair *pairs, int count) except -1:
        """Evaluate a leaf on a span, unless it remembers the answer for one with the same inputs."""
        cdef unsigned char written[LONGEST_INPUT]
        cdef Leaf *leaf = &self.leaves[i]
        cdef Span *span = &each.span
        cdef Pair *pair
        cdef Py_ssize_t size = sizeof(uint64_t)
        cdef uint64_t bit = <uint64_t>1 << i
        cdef bint bare = not leaf.headed
        cdef dict answers = <dict>PyList_GET_ITEM(self.answers, i)
        cdef PyObject *found
        cdef int key
        memcpy(written, &known.number, sizeof(uint64_t))
        if leaf.headed:
            written[size] = <unsigned char>span.kind
            written[size + 1] = <unsigned char>span.status
            written[size + 2] = <unsigned char>(span.name_size >> 8)
            written[size + 3] = <unsigned char>(span.name_size & 0xFF)
            size += 4
            if span.name_size >= 0x10000 or size + span.name_size > LONGEST_INPUT:
                return self.answer(row, i, self.ask(i, batch, group, each))
            memcpy(written + size, span.name, span.name_size)
            size += span.name_size
        for key in range(leaf.key, leaf.key + leaf.keys):
            pair = self.keys.find(key, pairs, count)
            if size + 2 + (0 if pair == NULL else pair.value_size) > LONGEST_INPUT:
                return self.answer(row, i, self.ask(i, batch, group, each))
            if pair == NULL:
                written[size] = written[size + 1] = 0xFF
                size += 2
                continue
            bare = False
            written[size] = <unsigned char>(pair.value_size >> 8)
            written[size + 1] = <unsigned char>(pair.value_size & 0xFF)
            memcpy(written + size + 2, pair.value, pair.value_size)
            size += 2 + pair.value_size
        if bare and known.nothing & bit:
            return 0
        looks = PyBytes_FromStringAndSize(<const char *>written, size)
        found = PyDict_GetItem(answers, looks)
        if found != NULL:
            return self.answer(row, i, <object>found)
        said = self.ask(i, batch, group, each)
        if PyDict_Size(answers) >= self.most_answers:
            answers.clear()
        answers[looks] = said
        if bare and said is ...:
            known.nothing |= bit
        return self.answer(row, i, said)

    cdef object ask(self, int i, Batch batch, Group *group, Row *each):
        return self.asked(self.first + i, batch.head(each, batch.id_of(group)))

    cdef int answer(self, Wait *row, int i, said) except -1:
        """Note the answer of a leaf: a number, ... if it does not match, or a tuple of the number of its error."""
        cdef Leaf *leaf = &self.leaves[i]
        cdef uint64_t *bits = self.bits_at(row)
        if said is ...:
            return 0
        bits[0] |= <uint64_t>1 << i
        if isinstance(said, tuple):
            if leaf.failed >= 0:
                bits[0] |= <uint64_t>1 << leaf.failed
            said = said[0]
        row.seen[leaf.seen] = said
        return 0

    cdef int answer_objects(self, Wait *row, answers) except -1:
        """Evaluate the leaves that have not matched yet on spans that are objects already."""
        cdef int i
        for i in range(self.count):
            if self.of_spans >> i & 1 and not self.bits_at(row)[0] >> i & 1:
                self.answer(row, i, answers[self.first + i])
        return 0 if self.more is None else self.more.answer_objects(row, answers)

    # --- traces --------------------------------------------------------------------------------------------------------

    cdef uint64_t *bits_of(self, Wait *row) noexcept:
        """Return the leaves that would sample a trace as bits, and what else its decision depends on; overwritten by the next call."""
        cdef Leaves leaves = self
        while leaves is not None:
            self.said[leaves.word] = leaves.word_of(row)
            leaves = leaves.more
        return self.said

    cdef uint64_t word_of(self, Wait *row) noexcept:
        cdef uint64_t value, bits = self.bits_at(row)[0]
        cdef Leaf *leaf
        cdef int i
        for i in range(self.count):
            leaf = &self.leaves[i]
            if leaf.by >= BY_NUMBER:
                continue
            if leaf.by == BY_STATUS or leaf.by == BY_FLAGS:
                value = row.statuses if leaf.by == BY_STATUS else row.flags
                if value & leaf.least:
                    bits |= <uint64_t>1 << i
                continue
            if leaf.by == BY_DURATION:
                if row.end_ns < row.start_ns:
                    continue
                value = row.end_ns - row.start_ns
            elif leaf.by == BY_COUNT:
                value = row.count
            elif leaf.by == BY_NOTHING:
                value = 0
            elif row.tells:
                value = row.randomness if row.explicit else row.low & ((<uint64_t>1 << 56) - 1)
                if value >= leaf.threshold:
                    bits |= <uint64_t>1 << i
                continue
            else:
                value = hash_of_id(leaf.salted, row.high, row.low)
            if leaf.least <= value <= leaf.most:
                bits |= <uint64_t>1 << i
        if row.tells:
            bits |= <uint64_t>1 << TELLS
        if not row.start_ns:
            bits |= <uint64_t>1 << UNSTARTED
        return bits

    cdef bint may_be_final(self, Wait *row) noexcept:
        cdef Leaf *leaf
        cdef int i
        if self.bits_at(row)[0] & self.final_bits:
            return True
        for i in range(self.count):
            leaf = &self.leaves[i]
            if not self.final_bits >> i & 1 or leaf.by >= BY_NUMBER:
                continue
            if leaf.by == BY_STATUS:
                if row.statuses & leaf.least:
                    return True
            elif leaf.by == BY_FLAGS:
                if row.flags & leaf.least:
                    return True
            elif leaf.by == BY_DURATION:
                if row.start_ns and row.end_ns > row.start_ns and row.end_ns - row.start_ns >= leaf.least:
                    return True
            elif leaf.by == BY_COUNT:
                if <uint64_t>row.count >= leaf.least:
                    return True
            else:
                return True
        return self.more is not None and self.more.may_be_final(row)


cdef Leaves leaves_of(words, asked, told, final_bits):
    """Return the leaves of all words, as `Waiting` is given them: the first's, which the others' follow."""
    cdef Leaves first = None, last = None
    for number, (leaves, names, programs, facts) in enumerate(words):
        last = Leaves(leaves, names, programs, facts, asked, told, final_bits >> 64 * number & 0xFFFFFFFFFFFFFFFF, last)
        if first is None:
            first = last
    if first is None:
        raise ValueError("policies without a word for their bits")
    first.said = <uint64_t *>calloc(last.word + 1, sizeof(uint64_t))
    if first.said == NULL:
        raise MemoryError
    leaves_count, seen_count = last.first + last.count, last.seen_count
    last = first
    while last is not None:
        last.place = seen_count + last.word - 1 if last.word else -1
        last.most_answers = min(MOST_LEAF_ANSWERS, MOST_ANSWERS // max(1, leaves_count))
        last = last.more
    return first
