"""The digest of the sources that a module was compiled from: `digest.py` defines it."""

cdef extern from *:
    """
    #ifndef OTEL_FE_SOURCES
    #define OTEL_FE_SOURCES ""
    #endif
    """
    const char *OTEL_FE_SOURCES
