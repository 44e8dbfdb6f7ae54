from libc.stdint cimport uint8_t


cdef class Call:
    cdef readonly int stream_id
    cdef readonly list headers  # names and values, in the order in which they came
    cdef public object signal  # its server's, as is the next
    cdef public double since_s
    cdef readonly bint answered  # or reset by its server
    cdef bint begun, ended, too_large
    cdef Py_ssize_t header_bytes
    cdef char *data
    cdef Py_ssize_t size, room
    cdef bytes answer
    cdef Py_ssize_t sent
    cdef list trailers

    cdef int add(self, const uint8_t *data, size_t size) except -1
    cdef void forget(self) noexcept
