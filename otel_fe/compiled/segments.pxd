"""The bytes of pending spans, in segments that are compressed once they have rested."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t


cdef enum:
    CACHED = 8  # segments whose bytes were read last, decompressed
    MOST_SPARES = 16  # buffers that wait for their next segment


cdef struct Segment:
    char *bytes  # NULL once it is compressed
    PyObject *compressed  # a bytes object; NULL before
    Py_ssize_t capacity
    Py_ssize_t used
    Py_ssize_t pieces  # that rows refer to
    int64_t closed_ns  # monotonic time
    Segment *older  # among those that are to be compressed
    Segment *newer
    bint queued  # to be compressed
    bint is_open  # more is appended to it


@cython.final
cdef class Segments:
    cdef object compress, decompress
    cdef int64_t rest_ns
    cdef Py_ssize_t capacity
    cdef Segment *open_segments[2]  # for what will probably be dropped; for what will probably be read
    cdef Segment *oldest
    cdef Segment *newest
    cdef Segment *cached[CACHED]
    cdef list cached_bytes
    cdef int next_cached
    cdef char *spares[MOST_SPARES]
    cdef int spares_count
    cdef Py_ssize_t count  # of segments
    cdef int64_t held_bytes

    cdef Segment *room_for(self, Py_ssize_t size, bint lasting, int64_t now_ns) except NULL
    cdef const char *read(self, Segment *segment) except NULL
    cdef void release(self, Segment *segment) noexcept
    cdef int compress_rested(self, int64_t now_ns) except -1

    cdef Segment *begin(self, Py_ssize_t capacity) except NULL
    cdef void close(self, Segment *segment, int64_t now_ns, bint lasting) noexcept
    cdef void enqueue(self, Segment *segment, int64_t now_ns) noexcept
    cdef void dequeue(self, Segment *segment) noexcept
    cdef void free_buffer(self, Segment *segment) noexcept
    cdef void free_segment(self, Segment *segment) noexcept
    cdef int compress_one(self, Segment *segment) except -1
