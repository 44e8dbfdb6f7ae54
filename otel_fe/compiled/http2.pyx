"""The server's side of HTTP/2 connections for gRPC: bytes in, calls out, bytes out. libnghttp2 does what HTTP/2 asks for.

The library has frames, header compression, flow control and the states of streams, and refuses what the specification forbids. Here
received data goes to its call, and answers are laid out. There is no I/O and no time.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy

from otel_fe.compiled.calls cimport Call, LastHeaders
from otel_fe.compiled.nghttp2 cimport (
    ACK, CALLBACK_FAILED, DATA, DATA_EOF, DATA_NO_END_STREAM, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, NO_ERROR, PING, RST_STREAM, SETTINGS, STREAM_FAILED, h2_callbacks,
    h2_frame, h2_nv, h2_option, h2_provider, h2_session, h2_setting, h2_source, library,
)
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    PREFIX = 5  # of a message
    HEADER_BYTES = 16_384  # of one call, as gRPC's C core allows
    ENTRY_BYTES = 32  # of each header, for this sum (RFC 9113, 6.5.2)
    STREAM_WINDOW = 1 << 20
    CONNECTION_WINDOW = 4 << 20
    MOST_SENT = 1 << 16  # at a time
    MOST_HEADERS = 16  # in an answer
    MOST_RESETS = 1 << 30


cdef h2_callbacks *callbacks = NULL
cdef h2_option *option = NULL


class Event:
    """What `Session.receive` reports."""

    BEGUN = 0  # a call, with all of its headers
    COMPLETE = 1
    TOO_LARGE = 2
    RESET = 3  # the other side cancelled it
    READY = 4  # its first settings
    PINGED = 5
    PONG = 6  # to our own ping


cdef enum:
    BEGUN = 0
    COMPLETE = 1
    TOO_LARGE = 2
    RESET = 3
    READY = 4
    PINGED = 5
    PONG = 6


class Http2Error(Exception):
    """The other side broke the protocol, or asks for too much: the connection cannot go on."""


cdef class Session:
    """One connection. Not thread-safe.

    Args:
        most_streams: Calls in progress at a time.
        most_bytes: The largest message; of a larger one nothing is kept.

    Raises:
        RuntimeError: `use_library` has not been called.
    """

    cdef h2_session *session
    cdef dict calls
    cdef list events
    cdef object failure
    cdef Py_ssize_t most_bytes
    cdef readonly Py_ssize_t held_bytes  # of unanswered calls
    cdef bint ready
    cdef Call latest  # the call that began last, while it is there
    cdef LastHeaders last_headers
    cdef list cut_short  # calls that were refused before their message had come

    def __cinit__(self, unsigned int most_streams, Py_ssize_t most_bytes):
        prepare()
        self.calls, self.events, self.cut_short, self.most_bytes = {}, [], [], most_bytes
        self.last_headers = LastHeaders()
        if library.session_server_new2(&self.session, callbacks, <void *>self, option):
            raise MemoryError
        cdef h2_setting[3] settings
        settings[0].settings_id, settings[0].value = MAX_CONCURRENT_STREAMS, most_streams
        settings[1].settings_id, settings[1].value = INITIAL_WINDOW_SIZE, STREAM_WINDOW
        settings[2].settings_id, settings[2].value = MAX_HEADER_LIST_SIZE, HEADER_BYTES
        check(library.submit_settings(self.session, 0, settings, 3))
        check(library.session_set_local_window_size(self.session, 0, 0, CONNECTION_WINDOW))

    def __dealloc__(self):
        if self.session is not NULL:
            library.session_del(self.session)

    @property
    def open_calls(self):
        """The calls that are not answered yet."""
        return [call for call in self.calls.values() if not (<Call>call).answered]

    @property
    def unsent_calls(self):
        """The calls whose answer has not been taken by `to_send`."""
        return [call for call in self.calls.values() if (<Call>call).answered]

    @property
    def has_calls(self):
        """Whether there are calls that are not answered yet, or whose answer has not been taken by `to_send`."""
        return bool(self.calls)

    @property
    def ended(self):
        """Whether nothing more is to be received or sent."""
        return not (library.session_want_read(self.session) or library.session_want_write(self.session))

    def receive(self, const uint8_t[::1] data, Py_ssize_t size):
        """Take received bytes; return what happened, as pairs of an event and its call (None where it has none).

        Raises:
            Http2Error: The connection cannot go on; what `to_send` returns says why to the other side.
        """
        if not 0 <= size <= data.shape[0]:
            raise ValueError("there are not so many bytes")
        cdef Py_ssize_t taken = library.session_mem_recv(self.session, &data[0], size) if size else 0
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if taken < 0:
            raise Http2Error(library.strerror(<int>taken).decode())
        events, self.events = self.events, []
        return events

    def to_send(self):
        """Return bytes to send, some 64 KiB at most; none where there is nothing to send now."""
        cdef const uint8_t *data
        cdef Py_ssize_t size
        cdef Py_ssize_t total = 0
        parts = []
        while total < MOST_SENT:
            size = library.session_mem_send(self.session, &data)
            if self.failure is not None:
                failure, self.failure = self.failure, None
                raise failure
            if size < 0:
                raise Http2Error(library.strerror(<int>size).decode())
            if not size and self.cut_short:
                self.stop_cut_short()
                continue
            if not size:
                break
            parts.append(PyBytes_FromStringAndSize(<const char *>data, size))
            total += size
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def is_open(self, Call call):
        """Return whether a call can be answered."""
        return not call.answered and self.calls.get(call.stream_id) is call

    def answer(self, Call call, bytes message, list headers, list trailers):
        """Answer a call with a message; headers and trailers are pairs of bytes."""
        cdef h2_provider provider
        cdef h2_nv[MOST_HEADERS] found
        if not self.is_open(call):
            return
        self.let_go(call)
        call.answered = True
        call.answer = b"\0" + len(message).to_bytes(4, "big") + message
        call.trailers = trailers
        provider.source.ptr = NULL
        provider.read = _read_answer
        check(library.submit_response(self.session, call.stream_id, found, lay_out(headers, found), &provider))

    def refuse(self, Call call, list headers):
        """Answer a call with headers alone, whether or not its message has come completely."""
        cdef h2_nv[MOST_HEADERS] found
        if not self.is_open(call):
            return
        self.let_go(call)
        call.answered = True
        check(library.submit_response(self.session, call.stream_id, found, lay_out(headers, found), NULL))
        if not call.ended:
            self.cut_short.append(call)

    def reset(self, Call call, uint32_t error):
        """End a call without an answer."""
        if self.is_open(call):
            self.let_go(call)
            call.answered = True
            check(library.submit_rst_stream(self.session, 0, call.stream_id, error))

    def go_away(self, uint32_t error, bytes why):
        """Accept no more calls; those in progress go on."""
        cdef int32_t last = library.session_get_last_proc_stream_id(self.session)
        check(library.submit_goaway(
            self.session, 0, last, error, <const uint8_t *>PyBytes_AS_STRING(why), PyBytes_GET_SIZE(why)
        ))

    def ping(self):
        """Ask whether the other side is there: the event `PONG` says so."""
        check(library.submit_ping(self.session, 0, NULL))

    cdef int stop_cut_short(self) except -1:
        """Have refused calls not send the rest (RFC 9113, 8.1). Only now: the library would drop an answer that has not left."""
        cdef Call call
        calls, self.cut_short = self.cut_short, []
        for call in calls:
            if self.calls.get(call.stream_id) is call and not call.ended:
                check(library.submit_rst_stream(self.session, 0, call.stream_id, NO_ERROR))
        return 0

    cdef Call call_of(self, int32_t stream_id):
        if self.latest is not None and self.latest.stream_id == stream_id:
            return self.latest
        return self.calls.get(stream_id)

    cdef void let_go(self, Call call) noexcept:
        self.held_bytes -= call.size + call.header_bytes
        call.header_bytes = 0
        call.forget()


cdef int check(int result) except -1:
    if result < 0:
        raise Http2Error(library.strerror(result).decode())
    return 0


cdef size_t lay_out(list headers, h2_nv *found) except? 0:
    """Point at pairs of names and values, which the library copies; return their number."""
    cdef size_t number = 0
    cdef bytes name, value
    if len(headers) > MOST_HEADERS:
        raise ValueError(f"at most {MOST_HEADERS} headers")
    for name, value in headers:
        found[number].name, found[number].namelen = <uint8_t *>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)
        found[number].value, found[number].valuelen = <uint8_t *>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
        found[number].flags = 0
        number += 1
    return number


# --- what the library calls, within `receive` and `to_send` ----------------------------------------------------------------


cdef int _begin_headers(h2_session *_, const h2_frame *frame, void *user) noexcept:
    cdef Session session = <Session>user
    try:
        if frame.stream_id not in session.calls:  # else they are a call's trailers
            session.latest = session.calls[frame.stream_id] = Call(frame.stream_id)
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED
    return 0


cdef int _header(
    h2_session *_,
    const h2_frame *frame,
    const uint8_t *name,
    size_t name_size,
    const uint8_t *value,
    size_t value_size,
    uint8_t flags,
    void *user,
) noexcept:
    cdef Session session = <Session>user
    cdef Call call
    cdef Py_ssize_t size = <Py_ssize_t>(name_size + value_size) + ENTRY_BYTES
    try:
        call = session.call_of(frame.stream_id)
        if call is None or call.begun or call.answered:
            return 0
        if call.header_bytes + size > HEADER_BYTES:
            return STREAM_FAILED
        session.last_headers.add(call, name, name_size, value, value_size)
        call.header_bytes += size
        session.held_bytes += size
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED
    return 0


cdef int _frame_received(h2_session *_, const h2_frame *frame, void *user) noexcept:
    cdef Session session = <Session>user
    cdef Call call
    try:
        if frame.type == DATA or frame.type == HEADERS:
            call = session.call_of(frame.stream_id)
            if call is None:
                return 0
            if not call.begun:
                session.last_headers.begin(call)
                session.events.append((BEGUN, call))
            if frame.flags & END_STREAM:
                call.ended = True
                if not call.answered and not call.too_large:
                    session.events.append((COMPLETE, call))
        elif frame.type == RST_STREAM:
            session.events.append((RESET, session.calls.get(frame.stream_id)))
        elif frame.type == PING:
            session.events.append((PONG if frame.flags & ACK else PINGED, None))
        elif frame.type == SETTINGS and not session.ready:
            session.ready = True
            session.events.append((READY, None))
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED
    return 0


cdef int _data(
    h2_session *_, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size, void *user
) noexcept:
    cdef Session session = <Session>user
    cdef Call call
    try:
        call = session.call_of(stream_id)
        if call is None or call.answered or call.too_large:
            return 0
        if call.size + <Py_ssize_t>size <= session.most_bytes + PREFIX:
            call.add(data, size)
            session.held_bytes += size
            if call.announced() <= session.most_bytes:
                return 0
        session.held_bytes -= call.size
        call.forget()
        call.too_large = True
        session.events.append((TOO_LARGE, call))
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED
    return 0


cdef int _closed(h2_session *_, int32_t stream_id, uint32_t error_code, void *user) noexcept:
    cdef Session session = <Session>user
    cdef Call call
    try:
        call = session.calls.pop(stream_id, None)
        if call is not None:
            session.let_go(call)
            if session.latest is call:
                session.latest = None
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED
    return 0


cdef Py_ssize_t _read_answer(
    h2_session *_, int32_t stream_id, uint8_t *data, size_t room, uint32_t *flags, h2_source *source, void *user
) noexcept:
    cdef Session session = <Session>user
    cdef Call call
    cdef h2_nv[MOST_HEADERS] found
    cdef Py_ssize_t size
    try:
        call = session.calls[stream_id]
        size = min(<Py_ssize_t>room, PyBytes_GET_SIZE(call.answer) - call.sent)
        memcpy(data, PyBytes_AS_STRING(call.answer) + call.sent, size)
        call.sent += size
        if call.sent == PyBytes_GET_SIZE(call.answer):
            flags[0] |= DATA_EOF | DATA_NO_END_STREAM
            check(library.submit_trailer(session.session, stream_id, found, lay_out(call.trailers, found)))
        return size
    except BaseException as error:
        session.failure = error
        return CALLBACK_FAILED


cdef int prepare() except -1:
    """Make what all sessions share, once."""
    global callbacks, option
    cdef h2_callbacks *made = NULL
    if callbacks is not NULL:
        return 0
    if library.option_new is NULL:
        raise RuntimeError("libnghttp2 is not loaded")
    if library.option_new(&option) or library.session_callbacks_new(&made):
        raise MemoryError
    library.option_set_no_closed_streams(option, 1)  # they are kept for priorities, which no sender of OTLP uses
    if library.option_set_no_rfc9113_leading_and_trailing_ws_validation is not NULL:  # gRPC's own servers take "Bearer "
        library.option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1)
    if library.option_set_stream_reset_rate_limit is not NULL:  # it also counts calls that were refused before: see `ClientConduct`
        library.option_set_stream_reset_rate_limit(option, MOST_RESETS, MOST_RESETS)
    library.session_callbacks_set_on_begin_headers_callback(made, _begin_headers)
    library.session_callbacks_set_on_header_callback(made, _header)
    library.session_callbacks_set_on_frame_recv_callback(made, _frame_received)
    library.session_callbacks_set_on_data_chunk_recv_callback(made, _data)
    library.session_callbacks_set_on_stream_close_callback(made, _closed)
    callbacks = made
    return 0
