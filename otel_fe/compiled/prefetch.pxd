"""Hints to the processor. Pending rows are spread over more memory than its caches hold, so each would be waited for."""


cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define OTEL_FE_PREFETCH(at) __builtin_prefetch(at)
    #else
    #define OTEL_FE_PREFETCH(at) ((void)(at))
    #endif
    """
    void prefetch "OTEL_FE_PREFETCH"(const void *at) noexcept nogil
