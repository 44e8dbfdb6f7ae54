"""The bytes of pending spans, in segments that are compressed some time after they are full.

Spans of traces that would be sampled already will be read, so they have separate segments, which are not compressed.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc

from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    MOST_AT_ONCE = 64  # segments that one call compresses
    OBJECT_BYTES = 33  # of a bytes object, beside its bytes


@cython.final
@cython.no_gc_clear
cdef class Segments:
    """Memory for pending spans. Not thread-safe; no callback may call it.

    Args:
        compress: Given a memoryview, returns its content compressed, as bytes, or None to leave it as it is. None to compress nothing.
        decompress: The inverse.
        rest_ns: How long a full segment stays as it is, since spans that follow soon may settle what is in it.
        capacity: Bytes of a segment.
    """

    def __cinit__(self, compress, decompress, int64_t rest_ns, Py_ssize_t capacity):
        if capacity < 1:
            raise ValueError(f"segments of {capacity} bytes")
        self.compress, self.decompress, self.rest_ns, self.capacity = compress, decompress, rest_ns, capacity
        self.open_segments[0] = self.open_segments[1] = self.oldest = self.newest = NULL
        for i in range(CACHED):
            self.cached[i] = NULL
        self.cached_bytes = [b""] * CACHED
        self.next_cached = self.spares_count = 0
        self.count = 0
        self.held_bytes = 0

    cdef Segment *room_for(self, Py_ssize_t size, bint lasting, int64_t now_ns) except NULL:
        """Return a segment that has room at its end.

        Args:
            size: Bytes.
            lasting: Whether they will probably be read, so that compressing them does not pay.
            now_ns: Monotonic time.
        """
        cdef Segment *segment = self.open_segments[lasting]
        cdef Segment *fresh
        if segment != NULL and segment.capacity - segment.used >= size:
            return segment
        if size > self.capacity // 4:  # a separate one, rather than waste the end of the open one
            fresh = self.begin(size)
            self.close(fresh, now_ns, lasting)
            return fresh
        fresh = self.begin(self.capacity)
        fresh.is_open = True
        self.open_segments[lasting] = fresh
        if segment != NULL:
            self.close(segment, now_ns, lasting)
        return fresh

    cdef Segment *begin(self, Py_ssize_t capacity) except NULL:
        cdef Segment *segment = <Segment *>calloc(1, sizeof(Segment))
        if segment == NULL:
            raise MemoryError
        if capacity == self.capacity and self.spares_count:
            self.spares_count -= 1
            segment.bytes = self.spares[self.spares_count]
        else:
            segment.bytes = <char *>malloc(capacity)
            if segment.bytes == NULL:
                free(segment)
                raise MemoryError
            self.held_bytes += capacity
        segment.capacity = capacity
        self.held_bytes += sizeof(Segment)
        self.count += 1
        return segment

    cdef void free_buffer(self, Segment *segment) noexcept:
        """Free the bytes of a segment, or keep them for the next one: the heap would split them for small, long-lived objects."""
        if segment.capacity == self.capacity and self.spares_count < MOST_SPARES:
            self.spares[self.spares_count] = segment.bytes
            self.spares_count += 1
        else:
            free(segment.bytes)
            self.held_bytes -= segment.capacity
        segment.bytes = NULL

    cdef void close(self, Segment *segment, int64_t now_ns, bint lasting) noexcept:
        segment.is_open = False
        if not lasting and self.compress is not None:
            self.enqueue(segment, now_ns)

    cdef void enqueue(self, Segment *segment, int64_t now_ns) noexcept:
        segment.queued, segment.closed_ns = True, now_ns
        segment.older = self.newest
        if self.newest != NULL:
            self.newest.newer = segment
        else:
            self.oldest = segment
        self.newest = segment

    cdef void dequeue(self, Segment *segment) noexcept:
        if segment.older != NULL:
            segment.older.newer = segment.newer
        else:
            self.oldest = segment.newer
        if segment.newer != NULL:
            segment.newer.older = segment.older
        else:
            self.newest = segment.older
        segment.older = segment.newer = NULL
        segment.queued = False

    cdef void release(self, Segment *segment) noexcept:
        """Release a piece of a segment, which is freed with its last."""
        segment.pieces -= 1
        if segment.pieces:
            return
        if segment.is_open:
            self.open_segments[segment == self.open_segments[1]] = NULL
        self.free_segment(segment)

    cdef void free_segment(self, Segment *segment) noexcept:
        cdef int i
        if segment.queued:
            self.dequeue(segment)
        self.held_bytes -= sizeof(Segment)
        if segment.compressed != NULL:
            for i in range(CACHED):
                if self.cached[i] == segment:
                    self.cached[i] = NULL
            self.held_bytes -= OBJECT_BYTES + PyBytes_GET_SIZE(<object>segment.compressed)
            Py_DECREF(<object>segment.compressed)
        else:
            self.free_buffer(segment)
        free(segment)
        self.count -= 1
        while not self.count and self.spares_count:
            self.spares_count -= 1
            free(self.spares[self.spares_count])
            self.held_bytes -= self.capacity

    cdef int compress_rested(self, int64_t now_ns) except -1:
        """Compress segments that have been full for long enough."""
        cdef int i
        for i in range(MOST_AT_ONCE):
            if self.oldest == NULL or now_ns - self.oldest.closed_ns < self.rest_ns:
                break
            self.compress_one(self.oldest)
        return 0

    cdef int compress_one(self, Segment *segment) except -1:
        self.dequeue(segment)
        compressed = self.compress(PyMemoryView_FromMemory(segment.bytes, segment.used, PyBUF_READ))
        if compressed is None or PyBytes_GET_SIZE(<bytes?>compressed) + OBJECT_BYTES >= segment.capacity:
            return 0
        # Zstandard's Python package returns an object that still has the memory of the largest result there could have been.
        kept = PyBytes_FromStringAndSize(PyBytes_AS_STRING(compressed), PyBytes_GET_SIZE(compressed))
        Py_INCREF(kept)
        segment.compressed = <PyObject *>kept
        self.held_bytes += OBJECT_BYTES + PyBytes_GET_SIZE(compressed)
        self.free_buffer(segment)
        return 0

    cdef const char *read(self, Segment *segment) except NULL:
        """Return the bytes of a segment, valid until the next call."""
        cdef int i
        if segment.bytes != NULL:
            return segment.bytes
        for i in range(CACHED):
            if self.cached[i] == segment:
                return PyBytes_AS_STRING(self.cached_bytes[i])
        found = self.decompress(<object>segment.compressed)
        if PyBytes_GET_SIZE(<bytes?>found) != segment.used:
            raise RuntimeError(f"a segment of {segment.used} bytes has {len(found)} after decompression")
        i = self.next_cached
        self.next_cached = (i + 1) % CACHED
        self.cached[i], self.cached_bytes[i] = segment, found
        return PyBytes_AS_STRING(found)
