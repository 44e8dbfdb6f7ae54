# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spans as they come off the wire, in C: what is done for every one of them, and nothing else.

Everything here has a plain twin in Python, which says what is right, and which is asked whenever something is unusual: a field that
stands twice, an id of another length, a text that is no UTF-8, an attribute in an odd encoding. So this knows the usual only, and
says where it does not know. `tests/properties/test_compiled*.py` hold both against each other.

    validation.pxi   scan             a request -> what is wrong with it    wire/validation.py
    requests.pxi                      a request -> its spans, as they stand in it
    batches.pxi      batch_of, Batch  a request -> its spans, by trace      wire/batch.py, decode.py
    attributes.pxi   Picker           a span -> some of its attributes      pipeline/extractions.py
    series.pxi       Finder, record   a span -> its series, counted         pipeline/span_metrics/connector.py
                     drawn            spans -> exemplars                    the same
    counted.pxi                       an extraction -> counted in a series
    figures.pxi      Counter, counted an extraction -> its series, counted  pipeline/received_metrics.py
    traces.pxi       add              a trace -> what it adds up to         pipeline/buffered_trace.py
                     hash_of          a trace -> its second random number   model/randomness.py
                     key_of           a trace -> what it is remembered by   pipeline/decision_cache.py
    decision_cache.pxi   DecisionCache       a trace -> its decision               pipeline/decision_cache.py
    waiting.pxi      Waiting          traces -> their decisions             pipeline/tail_sampler.py
    runs.pxi         runs             kept spans -> as they leave           wire/encode.py

One module of several files: what they share, they call as C does.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem, PyDict_Size
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.long cimport PyLong_FromVoidPtr
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.math cimport llrint
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

import os
import sys

cdef extern from *:
    """
    #ifndef OTEL_FE_SOURCES
    #define OTEL_FE_SOURCES ""
    #endif
    """
    const char *OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()  # the digest of what this was compiled from: see `digest.py`

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *held)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

ctypedef const unsigned char *Bytes

cdef enum:
    MOST_PAIRS = 128  # attributes of a span; with more it is unusual
    MOST_BYTES = 32 * 1024 * 1024  # that all finders remember; the rest is found the plain way
    ABOUT_BYTES = 512  # what remembering takes beside the key itself
    KEY_BYTES = 2048
    TEXTS = 4
    LAST_SERIES = 8
    MOST_ORIGINS = 99_000  # resources and scopes in a request; with more it is unusual, and `decode` says how many are too many
    MOST_PARTS = 16  # of a resource or a scope in its request, beside what it holds
    MOST_DECISIONS = 4096  # that are at hand by which policies sample
    MOST_REMEMBERED = 1 << 28  # of decisions: 4 GiB of memory
    NUMBER_BITS = 16
    NUMBER = (1 << NUMBER_BITS) - 1

cdef tuple _NOTHING = ()
cdef int64_t MOST_NS = 2**62  # of durations that are added up before they become one of Python's numbers


cdef enum:  # what a value is
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


cdef struct Span:  # what nearly everything asks of a span, read where it stands
    Bytes at
    Py_ssize_t size
    Bytes name
    Py_ssize_t name_size
    uint64_t span_id
    uint64_t parent_id  # 0 for a root
    uint64_t start_ns
    uint64_t end_ns
    int kind
    int status
    uint32_t flags
    int32_t pairs_at  # 1 + where its attributes begin, which are all together; 0 where it is unusual
    int32_t state_at  # where its `tracestate` is
    int32_t state_size
    bint has_status


@cython.no_gc
cdef class Head:
    """A span as an object: its bytes, and the same fields. In no cycle: no garbage collector need look at it.

    Most spans are counted and decided without becoming one (`batches.pxi`). What one is made of stays in the bytes of its request
    until that is worked off.
    """

    cdef bytes held  # what its bytes are in: a request, or they alone
    cdef Bytes at
    cdef Py_ssize_t size
    cdef public object trace_id
    cdef public uint64_t span_id
    cdef public uint64_t parent_id
    cdef public uint64_t start_ns
    cdef public uint64_t end_ns
    cdef public int kind
    cdef public int status
    cdef public uint32_t flags
    cdef public bint has_status
    cdef public str name
    cdef public str trace_state
    cdef public object resource
    cdef public object scope
    cdef object made
    cdef int32_t pairs_at  # as in `Span`

    cdef void hold(self, bytes held, Bytes at, Py_ssize_t size) noexcept:
        self.held, self.at, self.size = held, at, size

    cdef bytes own(self):
        """Return its bytes, held by themselves from now on."""
        if self.held is not None and PyBytes_GET_SIZE(self.held) != self.size:
            own = PyBytes_FromStringAndSize(<const char *>self.at, self.size)
            self.hold(own, <Bytes>PyBytes_AS_STRING(own), self.size)
        return self.held

    @property
    def raw(self):
        """Its bytes."""
        return self.own()

    @raw.setter
    def raw(self, bytes value not None):
        self.hold(value, <Bytes>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        self.pairs_at = 0  # nobody has read these

    @property
    def attributes(self):
        """Its attributes; made when somebody asks."""
        if self.made is None:
            self.made = self.make_attributes()
        return self.made

    @attributes.setter
    def attributes(self, value):
        self.made = value

    cdef bint tell(self, Span *span) except -1:
        """Write down what it says, to be used as long as it is there and stays as it is; False where it is unusual."""
        if self.held is None or self.name is None or self.trace_state is None:
            return False
        span.name = <Bytes>PyUnicode_AsUTF8AndSize(self.name, &span.name_size)
        span.at, span.size, span.pairs_at = self.at, self.size, self.pairs_at
        span.span_id, span.parent_id = self.span_id, self.parent_id
        span.start_ns, span.end_ns = self.start_ns, self.end_ns
        span.kind, span.status, span.flags = self.kind, self.status, self.flags
        span.has_status = self.has_status
        span.state_at, span.state_size = 0, len(self.trace_state) > 0
        return self.pairs_at != 0

    def make_attributes(self):
        """Return its attributes."""
        raise NotImplementedError

    def copied(self):
        """Return one with the same fields."""
        cdef Head copy = _made(type(self))
        copy.hold(self.held, self.at, self.size)
        copy.name, copy.trace_state, copy.made = self.name, self.trace_state, self.made
        copy.trace_id, copy.resource, copy.scope = self.trace_id, self.resource, self.scope
        copy.span_id, copy.parent_id = self.span_id, self.parent_id
        copy.start_ns, copy.end_ns, copy.kind, copy.flags = self.start_ns, self.end_ns, self.kind, self.flags
        copy.status, copy.has_status = self.status, self.has_status
        copy.pairs_at = self.pairs_at
        return copy


cdef inline Head _made(type kind):
    return <Head?>(<PyTypeObject *>kind).tp_new(kind, <PyObject *>_NOTHING, NULL)


include "validation.pxi"
include "requests.pxi"
include "batches.pxi"
include "attributes.pxi"
include "series.pxi"
include "counted.pxi"
include "figures.pxi"
include "traces.pxi"
include "decision_cache.pxi"
include "waiting.pxi"
include "runs.pxi"
