"""Lengths and numbers of encoded messages, read and written in place."""

from libc.stdint cimport int64_t, uint64_t

ctypedef const unsigned char *Bytes


cdef inline int64_t read_size(Bytes *at, Bytes end) noexcept:
    """Read the length of what follows, and move behind it; -1 if it reaches beyond the end, or is unusual."""
    cdef Bytes p = at[0]
    cdef int64_t size = 0
    cdef int shift = 0
    while p < end and shift < 28:
        size |= <int64_t>(p[0] & 0x7F) << shift
        if p[0] < 0x80:
            p += 1
            if size > end - p:
                return -1
            at[0] = p
            return size
        p += 1
        shift += 7
    return -1


cdef inline uint64_t big_endian(Bytes p) noexcept:
    cdef uint64_t value = 0
    cdef int i
    for i in range(8):
        value = value << 8 | p[i]
    return value


cdef inline uint64_t little_endian(Bytes p, int size) noexcept:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size - 1, -1, -1):
        value = value << 8 | p[i]
    return value


cdef inline unsigned char *write_varint(unsigned char *at, uint64_t value) noexcept:
    """Write a number; return the place behind it."""
    while value >= 0x80:
        at[0] = <unsigned char>(value & 0x7F | 0x80)
        value >>= 7
        at += 1
    at[0] = <unsigned char>value
    return at + 1


cdef inline int64_t framed(int64_t size) noexcept:
    """Return the bytes of a field with a content of `size` bytes, its tag and its length included."""
    cdef int64_t rest = size >> 7
    size += 2
    while rest:
        rest >>= 7
        size += 1
    return size
