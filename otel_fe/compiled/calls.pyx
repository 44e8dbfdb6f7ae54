"""A request of gRPC: its headers, and its message as C memory that grows as it comes."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    PREFIX = 5  # of a message: whether it is compressed, and its length
    LEAST_ROOM = 4_096
    TIMEOUT_BYTES = 12  # of its name
    REMEMBERED_BYTES = 2_048  # of headers, for the next call


cdef class Call:
    """One call; `since_s` and `signal` are its server's."""

    def __cinit__(self, int stream_id):
        self.stream_id = stream_id
        self.headers = []

    def __dealloc__(self):
        free(self.data)

    def values(self, bytes name):
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    def message(self):
        """Return whether the message is compressed, and its bytes; None if there is not exactly one."""
        cdef unsigned char *data = <unsigned char *>self.data
        if self.size < PREFIX or data[0] > 1:
            return None
        if self.announced() != self.size - PREFIX:
            return None
        return bool(data[0]), PyBytes_FromStringAndSize(self.data + PREFIX, self.size - PREFIX)

    cdef Py_ssize_t announced(self) noexcept:
        """Return the length that the message says it has; 0 while that has not come."""
        cdef unsigned char *data = <unsigned char *>self.data
        if self.size < PREFIX:
            return 0
        return <Py_ssize_t>data[1] << 24 | <Py_ssize_t>data[2] << 16 | data[3] << 8 | data[4]

    cdef int add(self, const uint8_t *data, size_t size) except -1:
        cdef Py_ssize_t room = self.room
        cdef char *moved
        if self.size + <Py_ssize_t>size > room:
            room = max(LEAST_ROOM, 2 * room, self.size + <Py_ssize_t>size)
            moved = <char *>realloc(self.data, room)
            if moved is NULL:
                raise MemoryError
            self.data, self.room = moved, room
        memcpy(self.data + self.size, data, size)
        self.size += size
        return 0

    cdef void forget(self) noexcept:
        free(self.data)
        self.data = NULL
        self.size = self.room = 0


cdef class LastHeaders:
    """The headers of a connection's last call: those of the next hardly differ."""

    def __cinit__(self):
        self.known = []

    cdef int add(self, Call call, const uint8_t *name, size_t name_size, const uint8_t *value, size_t value_size) except -1:
        """Add a header to a new call."""
        cdef Py_ssize_t place = PyList_GET_SIZE(call.headers)
        cdef tuple known
        if name_size == TIMEOUT_BYTES and not memcmp(name, b"grpc-timeout", TIMEOUT_BYTES):
            call.timeout = PyBytes_FromStringAndSize(<const char *>value, value_size)
            return 0
        if place < PyList_GET_SIZE(self.known):
            known = self.known[place]
            if holds(known[0], name, name_size) and holds(known[1], value, value_size):
                call.headers.append(known)
                return 0
        call.differs = True
        call.headers.append((
            PyBytes_FromStringAndSize(<const char *>name, name_size),
            PyBytes_FromStringAndSize(<const char *>value, value_size),
        ))
        return 0

    cdef void begin(self, Call call) noexcept:
        """Note that a call has all of its headers."""
        call.begun = True
        call.like_last = not call.differs and PyList_GET_SIZE(call.headers) == PyList_GET_SIZE(self.known)
        if not call.like_last:
            self.known = call.headers if call.header_bytes <= REMEMBERED_BYTES else []


cdef bint holds(bytes known, const uint8_t *data, size_t size) noexcept:
    return <size_t>PyBytes_GET_SIZE(known) == size and not memcmp(PyBytes_AS_STRING(known), data, size)
