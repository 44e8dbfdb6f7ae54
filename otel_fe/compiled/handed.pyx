"""The spans of a request that another worker decides, as a request of their own: their bytes as they came, without an object for any."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from otel_fe.compiled.batches cimport Batch, Group, Row
from otel_fe.compiled.reading cimport framed, write_varint
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    RESOURCE_SPANS = 0x0A
    SCOPE_SPANS = 0x12
    SPAN = 0x12


def hand_over(Batch batch not None, uint64_t worker, uint64_t workers):
    """Remove the spans of the traces that one of several workers decides; return them as a request, and their number.

    Raises:
        RuntimeError: A callback has released the batch.
    """
    cdef Py_ssize_t origins = PyList_GET_SIZE(batch.origins), count = 0
    cdef unsigned char *chosen
    cdef int64_t *sizes
    if not workers:
        raise ValueError("there are no workers")
    chosen = <unsigned char *>calloc(batch.count + 1, 1)
    sizes = <int64_t *>calloc(2 * origins + 1, sizeof(int64_t))
    try:
        if chosen == NULL or sizes == NULL:
            raise MemoryError
        count = choose(batch, worker, workers, chosen, sizes)
        found = written(batch, chosen, sizes, sizes + origins) if count else b""
        remove(batch, worker, workers)
        return found, count
    finally:
        free(chosen)
        free(sizes)


cdef Py_ssize_t choose(Batch batch, uint64_t worker, uint64_t workers, unsigned char *chosen, int64_t *sizes) noexcept:
    """Mark the spans of a worker, and add up their bytes by scope; return their number."""
    cdef Py_ssize_t which, i, count = 0
    cdef Group *group
    cdef Row *row
    for which in range(batch.groups_count):
        group = &batch.groups[which]
        if not group.count or (group.high ^ group.low) % workers != worker:
            continue
        count += group.count
        i = group.first
        while i >= 0:
            row = &batch.rows[i]
            chosen[i] = 1
            sizes[row.origin] += framed(row.span.size)
            i = row.next
    return count


cdef void remove(Batch batch, uint64_t worker, uint64_t workers) noexcept:
    cdef Py_ssize_t which
    cdef Group *group
    for which in range(batch.groups_count):
        group = &batch.groups[which]
        if group.count and (group.high ^ group.low) % workers == worker:
            batch.left -= group.count
            group.count = 0


cdef bytes written(Batch batch, unsigned char *chosen, int64_t *sizes, int64_t *resources):
    """Return the chosen spans, with their resources and scopes.

    Args:
        batch: The request.
        chosen: By row.
        sizes: Of the chosen spans, by scope; 0 for scopes without any.
        resources: Room for as many sizes.
    """
    cdef Py_ssize_t origin, first = -1, i = 0
    cdef Py_ssize_t number = -1
    cdef int64_t total = 0
    cdef list frames = []  # by scope; its resource's, too, for the first of a resource
    cdef bytes of_resource, of_scope, found
    cdef unsigned char *at
    cdef list origins = batch.origins
    for origin in range(PyList_GET_SIZE(origins)):
        if not sizes[origin]:
            frames.append(None)
            continue
        resource, scope, of = <tuple>PyList_GET_ITEM(origins, origin)
        of_scope, of_resource = frame_of(scope), None
        if <Py_ssize_t>of != number:
            total += framed(resources[first]) if first >= 0 else 0
            number, first = of, origin
            of_resource = frame_of(resource)
            resources[first] = PyBytes_GET_SIZE(of_resource)
        sizes[origin] += PyBytes_GET_SIZE(of_scope)
        resources[first] += framed(sizes[origin])
        frames.append((of_resource, of_scope))
    if batch.origins is not origins:
        raise RuntimeError("the batch was released by a callback while its spans were processed")
    total += framed(resources[first])
    found = PyBytes_FromStringAndSize(NULL, total)
    at = <unsigned char *>PyBytes_AS_STRING(found)
    for origin in range(PyList_GET_SIZE(frames)):
        if sizes[origin]:
            of_resource, of_scope = <tuple>PyList_GET_ITEM(frames, origin)
            if of_resource is not None:
                at = begun(at, RESOURCE_SPANS, resources[origin], of_resource)
            at = begun(at, SCOPE_SPANS, sizes[origin], of_scope)
        while i < batch.count and batch.rows[i].origin == origin:
            if chosen[i]:
                at[0] = SPAN
                at = write_varint(at + 1, batch.rows[i].span.size)
                memcpy(at, batch.rows[i].span.at, batch.rows[i].span.size)
                at += batch.rows[i].span.size
            i += 1
    return found


cdef bytes frame_of(origin):
    frame = origin.frame
    if not isinstance(frame, bytes):
        raise TypeError(f"a frame of {type(frame).__name__}")
    return frame


cdef unsigned char *begun(unsigned char *at, unsigned char tag, int64_t size, bytes frame) noexcept:
    """Write the beginning of a message of some size: what is in it beside spans and scopes."""
    at[0] = tag
    at = write_varint(at + 1, size)
    memcpy(at, PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame))
    return at + PyBytes_GET_SIZE(frame)
