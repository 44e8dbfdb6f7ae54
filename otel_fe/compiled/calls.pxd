from libc.stdint cimport uint8_t


cdef class Call:
    cdef readonly int stream_id
    cdef readonly list headers  # names and values, in the order in which they came; without the timeout
    cdef readonly bytes timeout  # `grpc-timeout`, which differs from call to call; None if there is none
    cdef readonly bint like_last  # whether the headers are those of the call before
    cdef readonly bint ended  # whether all of it has come
    cdef public object signal  # its server's, as is the next
    cdef public double since_s
    cdef readonly bint answered  # or reset by its server
    cdef bint begun, too_large, differs
    cdef Py_ssize_t header_bytes
    cdef char *data
    cdef Py_ssize_t size, room
    cdef bytes answer
    cdef Py_ssize_t sent
    cdef list trailers

    cdef int add(self, const uint8_t *data, size_t size) except -1
    cdef Py_ssize_t announced(self) noexcept
    cdef void forget(self) noexcept


cdef class LastHeaders:
    cdef list known

    cdef int add(self, Call call, const uint8_t *name, size_t name_size, const uint8_t *value, size_t value_size) except -1
    cdef void begin(self, Call call) noexcept
