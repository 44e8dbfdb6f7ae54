# cython: language_level=3, boundscheck=False, wraparound=False, binding=True
"""The spans of this process, in C: their start, their attributes, their end.

The plain implementations define the behaviour: `sdk/span.py`, `sdk/tracer.py`. Unusual cases (a limit reached, a value that needs
cleaning, another processor, a trace that has to be decided) are left to them.
"""

from cpython.dict cimport PyDict_Contains, PyDict_GetItemWithError, PyDict_SetItem, PyDict_Size
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_GET_LENGTH
from libc.stdint cimport int64_t

from otel_fe.compiled.local_traces cimport LocalTrace
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

from _thread import RLock
from time import time_ns

cdef extern from *:
    """
    static CYTHON_INLINE PyObject *otel_fe_bare(PyObject *base, PyObject *kind, PyObject *none) {
        return ((PyTypeObject *)base)->tp_new((PyTypeObject *)kind, none, NULL);
    }
    """
    object otel_fe_bare(object base, object kind, object none)

SOURCES = OTEL_FE_SOURCES.decode()

cdef tuple _NOTHING = ()
cdef object _get_context, _set_context, _reset_context, _span_key, _lean_span, _lean_tracer, _current_span, _unset
cdef object _random_trace_id, _random_span_id, _getrandbits
cdef object _Context, _ApiSpan, _SpanContext, _NoOpTracerMetrics, _default_trace_state, _logger
cdef int _known_flags
cdef Py_ssize_t _span_bytes, _attribute_bytes, _short_text

def use_spans(lean_span, unset, logger, span_bytes, attribute_bytes, short_text):
    """Take over the class of spans, the SDK's logger and the constants of `sdk/span.py`."""
    global _lean_span, _unset, _logger, _span_bytes, _attribute_bytes, _short_text
    _lean_span, _unset, _logger = lean_span, unset, logger
    _span_bytes, _attribute_bytes, _short_text = span_bytes, attribute_bytes, short_text


def use_tracers(lean_tracer, current_span, api, context, span_key, ids, known_flags):
    """Take over the classes and constants of `sdk/tracer.py`.

    Args:
        lean_tracer: Its class.
        current_span: The class of its blocks.
        api: OpenTelemetry's classes of contexts, spans, span contexts and of metrics that are off, and its empty trace state. Not
            imported here: a collector needs none of them.
        context: How to get, set and reset the context.
        span_key: The key of the current span in it.
        ids: Its functions for ids of traces and spans, and the `getrandbits` that both draw from.
        known_flags: The flags that are passed on.
    """
    global _lean_tracer, _current_span, _get_context, _set_context, _reset_context, _span_key
    global _random_trace_id, _random_span_id, _getrandbits, _known_flags
    global _Context, _ApiSpan, _SpanContext, _NoOpTracerMetrics, _default_trace_state
    _Context, _ApiSpan, _SpanContext, _NoOpTracerMetrics, _default_trace_state = api
    _lean_tracer, _current_span, _span_key, _known_flags = lean_tracer, current_span, span_key, known_flags
    _get_context, _set_context, _reset_context = context
    _random_trace_id, _random_span_id, _getrandbits = ids


cdef class SpanCore:
    """Twin of `PlainCore` in `sdk/span.py`: the fields of a span, and the methods that are called on every one."""

    cdef public object _name, tracer, trace_id, span_id, state, parent_span, _kind, _attributes, _start_time, _end_time
    cdef public object _status, _events, _links, local_trace, filled_in, _made_context, _made_lock
    cdef public object _record_exception, _set_status_on_exception
    cdef public int flags
    cdef public bint root
    cdef public int64_t text_bytes
    cdef Py_ssize_t most
    cdef bint over

    def __cinit__(self):
        self._status = _unset
        self._events = self._links = _NOTHING
        self._record_exception = self._set_status_on_exception = True

    def __copy__(self):
        """Return what `copy.copy` does of a span in plain Python: an object with the same fields."""
        cdef SpanCore made = <SpanCore>otel_fe_bare(SpanCore, type(self), _NOTHING)
        made._name, made._kind, made._status, made.root = self._name, self._kind, self._status, self.root
        made.tracer, made.trace_id, made.span_id = self.tracer, self.trace_id, self.span_id
        made.flags, made.state, made.parent_span = self.flags, self.state, self.parent_span
        made._attributes, made._events, made._links = self._attributes, self._events, self._links
        made._start_time, made._end_time, made.over = self._start_time, self._end_time, self.over
        made.local_trace, made.filled_in, made.most = self.local_trace, self.filled_in, self.most
        made._made_context, made._made_lock, made.text_bytes = self._made_context, self._made_lock, self.text_bytes
        made._record_exception = self._record_exception
        made._set_status_on_exception = self._set_status_on_exception
        made.__dict__.update(self.__dict__)
        return made

    @property
    def name(self):
        """Its name."""
        return self._name

    def is_recording(self):
        """Return whether it has not ended."""
        return self._end_time is None

    @property
    def _lock(self):
        if self._made_lock is None:
            lock = RLock()  # may collect garbage, and so end this very span
            if self._made_lock is None:
                self._made_lock = lock
        return self._made_lock

    cpdef set_attribute(self, key, value):
        """Set an attribute."""
        cdef object kind = type(value)
        cdef object attributes = self._attributes
        if (
            (kind is str or kind is int or kind is float or kind is bool)
            and type(attributes) is dict
            and type(key) is str
            and self._end_time is None
            and PyDict_Size(attributes) < self.most
            and PyUnicode_GET_LENGTH(key)
            and not PyDict_Contains(attributes, key)
        ):
            if kind is str and PyUnicode_GET_LENGTH(value) > _short_text:
                self.text_bytes += PyUnicode_GET_LENGTH(value)
            PyDict_SetItem(attributes, key, value)
        else:
            self._set_otherwise(key, value)

    def set_attributes(self, attributes):
        """Set several attributes."""
        if type(attributes) is not dict or self._end_time is not None:
            self._set_several(attributes)
            return
        for key in <dict>attributes:
            if type(key) is not str or not PyUnicode_GET_LENGTH(key):
                self._set_several(attributes)
                return
        for key, value in (<dict>attributes).items():
            self.set_attribute(key, value)

    cpdef int64_t estimated_bytes(self) except -1:
        """Return about how much memory it takes."""
        return _span_bytes + _attribute_bytes * <int64_t>len(self._attributes) + self.text_bytes

    cpdef end(self, end_time=None):
        """End the span."""
        cdef object tracer, processors, pipeline
        end_ns = time_ns() if end_time is None else end_time
        if self.over:
            _logger.warning("Calling end() on an ended span.")
            return
        self.over = True
        self._end_time = end_ns
        if type(self._attributes) is not dict:
            self._seal()
        tracer = self.tracer
        processors = tracer.span_processor._span_processors
        pipeline = tracer.only_pipeline if processors is tracer.looked_at else tracer.look_at(processors)
        if pipeline is None:
            self._end_seen(processors)
        elif (
            self.root
            or self._status is not _unset
            or self.filled_in is not None
            or type(self.local_trace) is not LocalTrace
            or not (<LocalTrace>self.local_trace).took_inner(self, self._start_time, end_ns, self.estimated_bytes())
        ):
            pipeline.lean_ended(self, end_ns)


cdef _start(
    tracer, name, context, kind, attributes, links, start_time, bint record_exception, bint set_status_on_exception
):
    cdef object found, parent = None, local = None, remote, trace_id, span_id, state, processors, pipeline
    cdef PyObject *held
    cdef SpanCore span, above
    cdef int flags
    if not tracer._tracer_config.is_enabled or type(tracer._tracer_metrics) is not _NoOpTracerMetrics:
        return tracer.start_otherwise(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
    around = _get_context() if context is None else context
    if isinstance(around, dict):
        held = PyDict_GetItemWithError(around, _span_key)
        found = None if held is NULL else <object>held
    else:
        found = around.get(_span_key)
    if type(found) is _lean_span:
        above = <SpanCore>found
        parent, local = found, above.local_trace
        trace_id, flags, state = above.trace_id, above.flags, above.state
    elif found is not None and isinstance(found, _ApiSpan) and (remote := found.get_span_context())[5]:
        parent = remote
        trace_id, flags, state = remote[0], remote[3] & _known_flags, remote[4]
    else:
        make = tracer._new_trace_id
        trace_id = (_getrandbits(128) or 1) if make is _random_trace_id else make()
        flags, state = tracer._root_flags, _default_trace_state
    make = tracer._new_span_id
    if not (flags & 1 and tracer.sampler is tracer._lean_sampler and tracer._lean_always_on):
        flags, state, attributes, records = tracer._sampled(flags, context, trace_id, name, kind, attributes, links)
        if not records:
            return tracer.not_recording(trace_id, make(), flags, state)
    span_id = (_getrandbits(64) or 1) if make is _random_span_id else make()
    span = <SpanCore>otel_fe_bare(SpanCore, _lean_span, _NOTHING)
    span._name = name
    span.tracer = tracer
    span.trace_id = trace_id
    span.span_id = span_id
    span.flags = flags
    span.state = state
    span.parent_span = parent
    span.root = parent is None or (type(parent) is _SpanContext and parent[2])
    span._kind = kind
    span._attributes = {}
    span.most = tracer.plain_attributes
    if attributes or links or not (record_exception and set_status_on_exception):
        span.start_with(links, attributes, record_exception, set_status_on_exception)
    span._start_time = time_ns() if start_time is None else start_time
    processors = tracer.span_processor._span_processors
    pipeline = tracer.only_pipeline if processors is tracer.looked_at else tracer.look_at(processors)
    if pipeline is None:
        tracer._show(processors, span, context, local)
    elif flags & 1:
        if type(local) is LocalTrace and (<LocalTrace>local).started(False):
            span.local_trace = local
        else:
            pipeline.lean_started(span, local)
    return span


def methods(internal):
    """Return `start_span` and `start_as_current_span` of tracers; `internal` is the kind of spans by default."""

    def start_span(
        self,
        name,
        context=None,
        kind=internal,
        attributes=None,
        links=(),
        start_time=None,
        record_exception=True,
        set_status_on_exception=True,
    ):
        """Start a span; see the SDK's."""
        return _start(
            self, name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )

    def start_as_current_span(
        self,
        name,
        context=None,
        kind=internal,
        attributes=None,
        links=(),
        start_time=None,
        record_exception=True,
        set_status_on_exception=True,
        end_on_exit=True,
    ):
        """Return what starts a span on entry and makes it the current one; also a decorator, as the SDK's."""
        cdef CurrentCore block = <CurrentCore>otel_fe_bare(CurrentCore, _current_span, _NOTHING)
        block._tracer = self
        block._arguments = (
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        block._end_on_exit = end_on_exit
        return block

    return start_span, start_as_current_span


cdef class CurrentCore:
    """Twin of `PlainCurrent` in `sdk/tracer.py`: a span that lasts for a block."""

    cdef public object _tracer, _arguments, _span, _token
    cdef public bint _end_on_exit

    def __init__(self, tracer, arguments, bint end_on_exit):
        self._tracer, self._arguments, self._end_on_exit = tracer, arguments, end_on_exit

    def __enter__(self):
        cdef object around, inside, tracer = self._tracer
        cdef tuple given = self._arguments
        if type(tracer) is _lean_tracer and "start_span" not in tracer.__dict__:
            span = _start(tracer, given[0], given[1], given[2], given[3], given[4], given[5], given[6], given[7])
        else:
            span = tracer.start_span(*given)
        self._span = span
        inside = _Context(_get_context())
        PyDict_SetItem(inside, _span_key, span)
        self._token = _set_context(inside)
        return span

    def __exit__(self, kind, error, trace):
        cdef object span = self._span, token = self._token
        if token is not None:
            try:
                _reset_context(token)
            except ValueError:
                self._left_elsewhere(token)
        if span is None:
            return
        try:
            if error is not None:
                self._failed(span, error)
        finally:
            if self._end_on_exit:
                if type(span) is _lean_span:
                    (<SpanCore>span).end()
                else:
                    span.end()
