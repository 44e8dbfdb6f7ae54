"""Conditions on a span, evaluated on its bytes: `pipeline/policies/program.py` says of which steps they are.

`pipeline/ottl/comparison.py` defines how values compare.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp

from otel_fe.compiled.attributes cimport OTHER, REAL, TEXT, TRUTH, WHOLE, Keys, Pair, Simple, pairs_of, simple_value
from otel_fe.compiled.reading cimport Bytes
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Span

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    NIL = 100  # besides the types of `Simple`
    MOST_FACTS = 64
    MOST_SEEN = 4096  # texts that are remembered for a regular expression
    LONGEST_SEEN = 256


cdef enum:  # what a step reads
    ATTRIBUTE, NAME, KIND, STATUS, START, END, ELAPSED, LASTED, ROOT, FACT, UNKNOWN


cdef enum:
    EQUAL, UNEQUAL, LESS, AT_MOST, GREATER, AT_LEAST
    IS, STARTS, ENDS, CONTAINS, MATCHES  # of a text


cdef dict _READS = {
    "attribute": ATTRIBUTE,
    "name": NAME,
    "kind": KIND,
    "status": STATUS,
    "start": START,
    "end": END,
    "elapsed": ELAPSED,
    "lasted": LASTED,
    "root": ROOT,
    "fact": FACT,
    "unknown": UNKNOWN,
}
cdef dict _COMPARATORS = {
    "==": EQUAL,
    "!=": UNEQUAL,
    "<": LESS,
    "<=": AT_MOST,
    ">": GREATER,
    ">=": AT_LEAST,
    "is": IS,
    "starts": STARTS,
    "ends": ENDS,
    "contains": CONTAINS,
    "matches": MATCHES,
}


@cython.final
cdef class Conditions:
    """The programs of a sampler's leaves.

    Args:
        programs: For each leaf its steps, or None. Each is a tuple: what it reads, the number of the attribute in `names` or of the
            fact, the comparator, the literal, whether nil does not match a pattern, and where to go if it holds and if not.
        names: Those of attributes.
    """

    def __cinit__(self, programs, names):
        cdef int start = 0
        cdef list given = [() if program is None else tuple(program) for program in programs]
        self.keys = Keys(names)
        self.texts, self.searches, self.starts = [], [], []
        self.count = sum([len(program) for program in given])
        self.steps = <Step *>calloc(self.count + 1, sizeof(Step))
        if self.steps == NULL:
            raise MemoryError
        for program in given:
            self.starts.append(start if program else -1)
            for place, step in enumerate(program):
                self.add(start, len(program), (place, *step))
            start += len(program)

    def __dealloc__(self):
        free(self.steps)

    cdef int add(self, int start, int length, tuple given) except -1:
        cdef int place = given[0]
        cdef Step *step = &self.steps[start + place]
        _, reads, key, comparator, literal, lenient, then, otherwise = given
        step.reads, step.comparator, step.key = _READS[reads], _COMPARATORS[comparator], key
        if not 0 <= step.key < (MOST_FACTS if step.reads == FACT else self.keys.count if step.reads == ATTRIBUTE else 1):
            raise ValueError(f"a step reads {reads} {key}, which is not there")
        for target in (then, otherwise):
            if not (place < target < length or target < 0):  # only forward, so that it ends
                raise ValueError(f"step {place} of {length} goes to {target}")
        step.then = start + then if then >= 0 else then
        step.otherwise = start + otherwise if otherwise >= 0 else otherwise
        if step.comparator == MATCHES:
            if not callable(literal):
                raise TypeError("a regular expression is searched for by a function")
            step.kind, step.size = TEXT, len(self.searches)
            self.searches.append((literal, {}))
        elif isinstance(literal, str):
            text = literal.encode()
            self.texts.append(text)
            step.kind, step.text, step.size = TEXT, <Bytes>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)
        elif isinstance(literal, bool):
            step.kind, step.whole = TRUTH, literal
        elif isinstance(literal, int):
            step.kind, step.whole, step.real = WHOLE, literal, float(literal)
        elif isinstance(literal, float):
            step.kind, step.real = REAL, literal
        elif literal is None:
            step.kind = NIL
        else:
            raise TypeError(f"{type(literal).__name__} is no literal")
        if step.comparator >= IS:
            if step.kind != TEXT:
                raise TypeError("a pattern is a text")
            step.whole = bool(lenient)
        return 0

    cdef int answer(self, int start, Span *span, Pair *pairs, int *pairs_count, uint64_t facts, uint64_t unsure) noexcept:
        """Evaluate a program on a span.

        Args:
            start: The number of its first step.
            span: The span.
            pairs: Room for its attributes, or its attributes.
            pairs_count: How many there are; `UNREAD` until they are split.
            facts: What is known of its resource and scope, as bits.
            unsure: The facts that Python has to find out.

        Returns:
            -1 where no condition holds, -2 for the first condition, -3 for the second, and so on; `UNDECIDED`.
        """
        cdef int at = start, held
        cdef Step *step
        while at >= 0:
            step = &self.steps[at]
            held = self.holds(step, span, pairs, pairs_count, facts, unsure)
            if held < 0:
                return UNDECIDED
            at = step.then if held else step.otherwise
        return at

    cdef int holds(self, Step *step, Span *span, Pair *pairs, int *pairs_count, uint64_t facts, uint64_t unsure) noexcept:
        """Return whether a step's comparison holds; -1 if Python has to decide."""
        cdef Simple value
        cdef Pair *pair
        cdef int kind = WHOLE
        if step.reads == ATTRIBUTE:
            if pairs_count[0] == UNREAD:
                pairs_count[0] = pairs_of(span, pairs)
            if pairs_count[0] < 0:
                return -1
            pair = self.keys.find(step.key, pairs, pairs_count[0])
            if pair == NULL or not pair.value_size:
                kind = NIL
            else:
                kind = simple_value(pair.value, pair.value_size, &value)
                if kind == OTHER:
                    return -1
        elif step.reads == NAME:
            kind, value.text, value.size = TEXT, span.name, span.name_size
        elif step.reads == KIND:
            value.whole = span.kind
        elif step.reads == STATUS:
            value.whole = span.status
        elif step.reads == START:
            value.whole = <int64_t>span.start_ns
        elif step.reads == END:
            value.whole = <int64_t>span.end_ns
        elif step.reads == ELAPSED:  # as Go subtracts ints
            value.whole = <int64_t>(span.end_ns - span.start_ns)
        elif step.reads == LASTED:  # as Go subtracts times
            value.whole = _between(<int64_t>span.start_ns, <int64_t>span.end_ns)
        elif step.reads == ROOT:
            kind, value.whole = TRUTH, not span.parent_id
        elif step.reads == FACT:
            return -1 if unsure >> step.key & 1 else facts >> step.key & 1
        else:
            return -1
        if step.comparator >= IS:
            if kind == TEXT and step.comparator == MATCHES:
                return self.search(step, value.text, value.size)
            if kind == TEXT:
                return _matches(step, value.text, value.size)
            return 0 if kind == NIL and step.whole else -1
        return _compare(step, kind, &value)


    cdef int search(self, Step *step, Bytes text, Py_ssize_t size) noexcept:
        """Return whether a regular expression is found in a text; -1 if Python has to decide, as where the text is no UTF-8."""
        cdef PyObject *known
        try:
            find, seen = self.searches[step.size]
            if size > LONGEST_SEEN:
                return find(PyUnicode_DecodeUTF8(<const char *>text, size, NULL)) is not None
            encoded = PyBytes_FromStringAndSize(<const char *>text, size)
            known = PyDict_GetItem(seen, encoded)
            if known != NULL:
                return <object>known is True
            found = find(PyUnicode_DecodeUTF8(<const char *>text, size, NULL)) is not None
            if PyDict_Size(seen) >= MOST_SEEN:
                seen.clear()
            seen[encoded] = found
            return found
        except Exception:
            return -1


cdef inline int64_t _between(int64_t start, int64_t end) noexcept:
    """Return the difference of two numbers, or the limit of 64 bits that it is beyond."""
    if start < 0 and end > INT64_MAX + start:
        return INT64_MAX
    if start > 0 and end < INT64_MIN + start:
        return INT64_MIN
    return end - start


cdef inline bint _ordered(int comparator, int order) noexcept:
    """Return whether a comparison holds of two values of which the first is less (-1), equal (0) or greater (1)."""
    if comparator == EQUAL:
        return order == 0
    if comparator == UNEQUAL:
        return order != 0
    if comparator == LESS:
        return order < 0
    if comparator == AT_MOST:
        return order <= 0
    return order > 0 if comparator == GREATER else order >= 0


cdef int _compare(Step *step, int kind, Simple *value) noexcept:
    cdef double real
    if kind == WHOLE and step.kind == WHOLE:
        return _ordered(step.comparator, (value.whole > step.whole) - (value.whole < step.whole))
    if (kind == WHOLE or kind == REAL) and (step.kind == WHOLE or step.kind == REAL):
        real = value.real if kind == REAL else <double>value.whole
        if real != real or step.real != step.real:  # nan
            return step.comparator == UNEQUAL
        return _ordered(step.comparator, (real > step.real) - (real < step.real))
    if kind != step.kind:
        return step.comparator == UNEQUAL
    if kind == TEXT:
        return _compare_texts(step, value.text, value.size)
    if kind == TRUTH:
        return _ordered(step.comparator, (value.whole != 0) - (step.whole != 0))
    return _ordered(step.comparator, 0)  # nil and nil


cdef int _compare_texts(Step *step, Bytes text, Py_ssize_t size) noexcept:
    cdef Py_ssize_t i
    cdef int order
    if step.comparator <= UNEQUAL:
        order = size != step.size or (size and memcmp(text, step.text, size))
        return _ordered(step.comparator, order)
    for i in range(size):
        if text[i] >= 0x80:  # it may be no UTF-8, and is then read with replacement characters
            return -1
    order = memcmp(text, step.text, min(size, step.size)) if size and step.size else 0
    return _ordered(step.comparator, order if order else (size > step.size) - (size < step.size))


cdef bint _matches(Step *step, Bytes text, Py_ssize_t size) noexcept:
    """Return whether a text is, begins with, ends with or contains the one of a step."""
    cdef Bytes at = text
    cdef Bytes last  # the last place where it may begin
    if not step.size:
        return step.comparator != IS or not size
    if size < step.size or (step.comparator == IS and size != step.size):
        return False
    last = text + (size - step.size)
    if step.comparator != CONTAINS:
        return not memcmp(last if step.comparator == ENDS else text, step.text, step.size)
    while at <= last:
        at = <Bytes>memchr(at, step.text[0], last - at + 1)
        if at == NULL:
            return False
        if not memcmp(at, step.text, step.size):
            return True
        at += 1
    return False
