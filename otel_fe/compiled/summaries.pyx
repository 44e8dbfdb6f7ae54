"""Kept traces, summarised for the store: the sums over their spans, and of each extraction its measurements and its time by cause."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from otel_fe.compiled.attributes cimport MOST_PAIRS, OTHER, TEXT, WHOLE, Keys, Pair, Simple, ns_of, pairs_of, simple_value
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES
from otel_fe.compiled.spans cimport Head, Span

import os

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    FEATURE_SET  # the attributes, in the order of the names that `Summarizer` takes
    LIBRARY
    ERROR_TYPE
    LOOKUPS
    HITS
    GROWTH
    LOOKING_UP
    WAIT
    CPU
    ATTRIBUTES


cdef enum:
    MOST_SPANS = 64  # of a trace; all are compared with all, so that longer ones are left to Python
    MOST_CAUSES = 32
    MOST_LOOKUPS = 1 << 30  # so that no product below has more than 64 bits
    STATUS_ERROR = 2
    CLIENT = 3
    PRODUCER = 4


cdef struct Own:  # the numbers of an extraction
    uint64_t start_ns
    uint64_t duration_ns
    int64_t lookups
    int64_t hits
    int64_t growth
    int64_t looking_up_ns
    int64_t wait_ns
    int64_t cpu_ns  # -1 if unknown


cdef struct Call:
    uint64_t start_ns
    uint64_t end_ns


@cython.final
cdef class Summarizer:
    """Summarises kept traces.

    Args:
        names: The attributes of an extraction, in the order of the enumeration above.
        times: By cause, the attribute with the time that a slow extraction spent on it; the last is the rest of its duration.
        derived: The causes whose time is derived where an extraction does not state it: look-ups that missed, waits for
            connections, CPU time and calls of other services.
        bottleneck: The attribute with the cause of most of the time.
        service: The attribute of a resource with the name of its service.
        word: The name of an extraction's span, or its first word.
        kind: Makes a `KeptExtraction`.
    """

    cdef Keys keys
    cdef Keys time_keys
    cdef Keys bottleneck
    cdef Py_ssize_t time_prefix  # in bytes: what the names of `time_keys` begin with
    cdef tuple causes
    cdef dict no_time
    cdef int cache_miss, pool_wait, cpu, downstream, unexplained  # places of causes
    cdef bytes word
    cdef object service
    cdef object kind

    def __cinit__(self, names, dict times not None, derived, bottleneck, service, word, kind):
        self.keys = Keys(names)
        if self.keys.count != ATTRIBUTES:
            raise ValueError(f"{self.keys.count} names, not {ATTRIBUTES}")
        self.causes = tuple(times)
        self.time_keys = Keys(times.values())
        if not 0 < self.time_keys.count <= MOST_CAUSES:
            raise ValueError(f"{self.time_keys.count} causes, not 1 to {MOST_CAUSES}")
        self.time_prefix = len(os.path.commonprefix(list(self.time_keys.encoded)))
        self.no_time = dict.fromkeys(times, 0)
        self.cache_miss, self.pool_wait, self.cpu, self.downstream = [self.causes.index(cause) for cause in derived]
        self.unexplained = self.time_keys.count - 1
        self.bottleneck = Keys([bottleneck])
        self.service = service
        self.word = word.encode()
        self.kind = kind

    def __call__(self, spans):
        """Return the summary of a trace's spans; None if they are left to the caller."""
        cdef list members = list(spans)
        cdef list sampled = [], found = []
        cdef Head span, root = None
        cdef uint64_t start = 0, end = 0
        cdef bint error = False, has_trace_state = False
        if len(members) > MOST_SPANS:
            return None
        for each in members:
            if not isinstance(each, Head) or (<Head>each).name is None:
                return None
            span = <Head>each
            if span.start_ns and (not start or span.start_ns < start):
                start = span.start_ns
            if span.end_ns > end:
                end = span.end_ns
            error = error or span.status == STATUS_ERROR
            has_trace_state = has_trace_state or bool(span.trace_state)
            if root is None and not span.parent_id:
                root = span
            if self.is_extraction(span):
                sampled.append(span)
        for each in sampled:
            summary = self.extraction(<Head>each, members)
            if summary is None:
                return None
            found.append(summary)
        first = members[0] if root is None and members else root
        return (
            start,
            end,
            "" if root is None else root.name,
            "" if first is None else self.service_of(<Head>first),
            error,
            has_trace_state,
            tuple(found),
        )

    cdef bint is_extraction(self, Head span) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(self.word)
        cdef Py_ssize_t name_size
        cdef const char *name = PyUnicode_AsUTF8AndSize(span.name, &name_size)
        if name_size < size or memcmp(name, PyBytes_AS_STRING(self.word), size):
            return False
        return name_size == size or name[size] == b" "

    cdef str service_of(self, Head span):
        found = span.resource.attributes.get(self.service)
        return found if isinstance(found, str) else ""

    cdef object extraction(self, Head span, list members):
        """Return an extraction; None if its span is unusual."""
        cdef Pair pairs[MOST_PAIRS]
        cdef Span fields
        cdef Own own
        cdef uint64_t split[MOST_CAUSES]
        cdef list texts = ["", "", ""]
        cdef int count, i, told, most = 0
        if not span.fill(&fields):
            return None
        count = pairs_of(&fields, pairs)
        if count < 0 or not self.read(pairs, count, &own, texts):
            return None
        own.start_ns = span.start_ns
        own.duration_ns = span.end_ns - span.start_ns if span.end_ns > span.start_ns else 0
        told = self.told(pairs, count, own.duration_ns, split)
        if told < 0:
            return None
        if not told:
            self.derive(span, members, &own, split)
        cause = self.stated(pairs, count)
        if cause is None:
            return None
        by_cause = self.no_time.copy()
        for i in range(self.time_keys.count):
            if split[i]:
                by_cause[self.causes[i]] = split[i]
                if split[i] > split[most]:
                    most = i
        return self.kind(
            span.span_id,
            span.start_ns,
            own.duration_ns,
            self.service_of(span),
            texts[FEATURE_SET],
            span.status == STATUS_ERROR or bool(texts[ERROR_TYPE]),
            texts[ERROR_TYPE],
            texts[LIBRARY],
            own.hits == own.lookups if own.lookups else None,
            own.lookups,
            own.hits,
            own.cpu_ns,
            own.growth,
            cause or self.causes[most],
            by_cause,
        )

    cdef bint read(self, Pair *pairs, int count, Own *own, list texts) except -1:
        """Read the attributes of an extraction; return False if one is unusual."""
        cdef Pair *pair
        cdef Simple value
        cdef int64_t time_ns
        cdef int i, kind
        own.lookups = own.hits = own.growth = own.looking_up_ns = own.wait_ns = 0
        own.cpu_ns = -1
        for i in range(ATTRIBUTES):
            pair = self.keys.find(i, pairs, count)
            if pair == NULL:
                continue
            kind = simple_value(pair.value, pair.value_size, &value)
            if kind == OTHER:
                return False
            if i <= ERROR_TYPE:
                if kind == TEXT:
                    texts[i] = PyUnicode_DecodeUTF8(<const char *>value.text, value.size, "replace")
            elif i >= LOOKING_UP:
                time_ns = ns_of(kind, &value)
                if time_ns < 0:
                    return False
                if i == LOOKING_UP:
                    own.looking_up_ns = time_ns
                elif i == WAIT:
                    own.wait_ns = time_ns
                else:
                    own.cpu_ns = time_ns
            elif kind == WHOLE:
                if i == GROWTH:
                    own.growth = value.whole
                elif not 0 <= value.whole <= MOST_LOOKUPS:
                    return False
                elif i == LOOKUPS:
                    own.lookups = value.whole
                else:
                    own.hits = value.whole
        if own.hits > own.lookups:
            own.hits = own.lookups
        return True

    cdef int told(self, Pair *pairs, int count, uint64_t left, uint64_t *split) noexcept:
        """Read the time by cause; return 1 if there is any, 0 if there is none, -1 if a value is unusual."""
        cdef Pair *pair
        cdef Simple value
        cdef int64_t time_ns
        cdef int i
        cdef bint some = False
        for i in range(count):
            if pairs[i].key_size > self.time_prefix and not memcmp(pairs[i].key, self.time_keys.at[0], self.time_prefix):
                break
        else:
            return 0
        for i in range(self.time_keys.count):
            pair = self.time_keys.find(i, pairs, count)
            time_ns = 0
            if pair != NULL:
                time_ns = ns_of(simple_value(pair.value, pair.value_size, &value), &value)
                if time_ns < 0:
                    return -1
            some = some or time_ns > 0
            if i != self.unexplained:
                split[i] = <uint64_t>time_ns if <uint64_t>time_ns < left else left
                left -= split[i]
        split[self.unexplained] = left
        return some

    cdef str stated(self, Pair *pairs, int count):
        """Return the cause that an extraction states; "" if it states none, and None if it is unusual."""
        cdef Pair *pair = self.bottleneck.find(0, pairs, count)
        cdef Simple value
        cdef int kind
        if pair == NULL:
            return ""
        kind = simple_value(pair.value, pair.value_size, &value)
        if kind != TEXT:
            return None if kind == OTHER else ""
        text = PyUnicode_DecodeUTF8(<const char *>value.text, value.size, "replace")
        return text if text in self.no_time else ""

    cdef int derive(self, Head span, list members, Own *own, uint64_t *split) except -1:
        """Derive the time by cause of an extraction that does not state it."""
        cdef uint64_t covered = _covered(span, members, own.start_ns, own.start_ns + own.duration_ns)
        cdef uint64_t left = own.duration_ns - covered, missing
        cdef int64_t misses = own.lookups - own.hits
        cdef int i
        for i in range(self.time_keys.count):
            split[i] = 0
        split[self.downstream] = covered
        if own.cpu_ns > 0:
            split[self.cpu] = <uint64_t>own.cpu_ns if <uint64_t>own.cpu_ns < left else left
        split[self.unexplained] = left - split[self.cpu]
        self.move(self.pool_wait, <uint64_t>own.wait_ns, split)
        if own.lookups:  # looking_up_ns * misses // lookups, in 64 bits
            missing = <uint64_t>(own.looking_up_ns // own.lookups * misses)
            missing += <uint64_t>(own.looking_up_ns % own.lookups * misses // own.lookups)
            self.move(self.cache_miss, missing, split)
        return 0

    cdef void move(self, int cause, uint64_t time_ns, uint64_t *split) noexcept:
        """Move time to a cause, out of calls first."""
        cdef uint64_t left = time_ns, moved
        cdef int source
        for source in (self.downstream, self.unexplained, self.cpu):
            moved = split[source] if split[source] < left else left
            split[source] -= moved
            left -= moved
        if time_ns:
            split[cause] = time_ns - left


cdef inline bint _follows(Call *call, Head other) noexcept:
    return call.start_ns > other.start_ns or call.start_ns == other.start_ns and call.end_ns > other.end_ns


cdef uint64_t _covered(Head span, list members, uint64_t start_ns, uint64_t end_ns) noexcept:
    """Return the time of an extraction in which a call of another service was in progress, made below it at any depth."""
    cdef Call calls[MOST_SPANS]
    cdef Call call
    cdef uint64_t waiting[MOST_SPANS + 1]
    cdef bint passed[MOST_SPANS]
    cdef uint64_t parent, first, covered = 0, until = start_ns
    cdef int spans = <int>len(members), known = 0, left = 1, i, place
    cdef Head child
    for i in range(spans):
        passed[i] = False
    waiting[0] = span.span_id
    while left:
        left -= 1
        parent = waiting[left]
        for i in range(spans):
            if passed[i]:
                continue
            child = <Head>members[i]
            if child.parent_id != parent:
                continue
            passed[i] = True  # it is passed once, wherever its id occurs again, or in a circle
            waiting[left] = child.span_id
            left += 1
            if child.kind == CLIENT or child.kind == PRODUCER:
                place = known
                while place and _follows(&calls[place - 1], child):
                    calls[place] = calls[place - 1]
                    place -= 1
                calls[place].start_ns, calls[place].end_ns = child.start_ns, child.end_ns
                known += 1
    for i in range(known):
        call = calls[i]
        if call.end_ns > until:
            first = call.start_ns if call.start_ns > until else until
            until = call.end_ns if call.end_ns < end_ns else end_ns
            if until > first:
                covered += until - first
    return covered
