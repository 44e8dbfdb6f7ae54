"""What is used of libnghttp2's interface, as its headers declare it. The library is loaded when a process first needs it."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef enum:
    # Frames, flags, settings and errors of RFC 9113.
    DATA = 0x0
    HEADERS = 0x1
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PING = 0x6
    END_STREAM = 0x1
    ACK = 0x1
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_HEADER_LIST_SIZE = 0x6
    NO_ERROR = 0x0
    # Of the library.
    DATA_EOF = 0x1
    DATA_NO_END_STREAM = 0x2
    STREAM_FAILED = -521
    CALLBACK_FAILED = -902

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <sys/types.h>

    typedef struct otel_fe_h2_session otel_fe_h2_session;
    typedef struct otel_fe_h2_callbacks otel_fe_h2_callbacks;
    typedef struct otel_fe_h2_option otel_fe_h2_option;
    typedef struct { uint8_t *name; uint8_t *value; size_t namelen; size_t valuelen; uint8_t flags; } otel_fe_h2_nv;
    typedef struct { int32_t settings_id; uint32_t value; } otel_fe_h2_setting;
    typedef struct { size_t length; int32_t stream_id; uint8_t type; uint8_t flags; uint8_t reserved; } otel_fe_h2_frame;
    typedef union { int fd; void *ptr; } otel_fe_h2_source;
    typedef ptrdiff_t (*otel_fe_h2_read)(
        otel_fe_h2_session *, int32_t, uint8_t *, size_t, uint32_t *, otel_fe_h2_source *, void *);
    typedef struct { otel_fe_h2_source source; otel_fe_h2_read read; } otel_fe_h2_provider;

    typedef int (*otel_fe_h2_begin_headers)(otel_fe_h2_session *, const otel_fe_h2_frame *, void *);
    typedef int (*otel_fe_h2_header)(
        otel_fe_h2_session *, const otel_fe_h2_frame *, const uint8_t *, size_t, const uint8_t *, size_t, uint8_t, void *);
    typedef int (*otel_fe_h2_frame_received)(otel_fe_h2_session *, const otel_fe_h2_frame *, void *);
    typedef int (*otel_fe_h2_data)(otel_fe_h2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *);
    typedef int (*otel_fe_h2_closed)(otel_fe_h2_session *, int32_t, uint32_t, void *);
    """
    ctypedef struct h2_session "otel_fe_h2_session":
        pass
    ctypedef struct h2_callbacks "otel_fe_h2_callbacks":
        pass
    ctypedef struct h2_option "otel_fe_h2_option":
        pass
    ctypedef struct h2_nv "otel_fe_h2_nv":
        uint8_t *name
        uint8_t *value
        size_t namelen
        size_t valuelen
        uint8_t flags
    ctypedef struct h2_setting "otel_fe_h2_setting":
        int32_t settings_id
        uint32_t value
    # The library's frames begin with this, and nothing behind it is read here.
    ctypedef struct h2_frame "otel_fe_h2_frame":
        size_t length
        int32_t stream_id
        uint8_t type
        uint8_t flags
    ctypedef union h2_source "otel_fe_h2_source":
        void *ptr
    ctypedef Py_ssize_t (*h2_read "otel_fe_h2_read")(
        h2_session *, int32_t, uint8_t *, size_t, uint32_t *, h2_source *, void *
    ) noexcept
    ctypedef struct h2_provider "otel_fe_h2_provider":
        h2_source source
        h2_read read
    ctypedef int (*h2_begin_headers "otel_fe_h2_begin_headers")(h2_session *, const h2_frame *, void *) noexcept
    ctypedef int (*h2_header "otel_fe_h2_header")(
        h2_session *, const h2_frame *, const uint8_t *, size_t, const uint8_t *, size_t, uint8_t, void *
    ) noexcept
    ctypedef int (*h2_frame_received "otel_fe_h2_frame_received")(h2_session *, const h2_frame *, void *) noexcept
    ctypedef int (*h2_data "otel_fe_h2_data")(h2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *) noexcept
    ctypedef int (*h2_closed "otel_fe_h2_closed")(h2_session *, int32_t, uint32_t, void *) noexcept


ctypedef struct Library:
    # The functions, by their names without `nghttp2_`.
    int (*session_callbacks_new)(h2_callbacks **) noexcept
    void (*session_callbacks_set_on_begin_headers_callback)(h2_callbacks *, h2_begin_headers) noexcept
    void (*session_callbacks_set_on_header_callback)(h2_callbacks *, h2_header) noexcept
    void (*session_callbacks_set_on_frame_recv_callback)(h2_callbacks *, h2_frame_received) noexcept
    void (*session_callbacks_set_on_data_chunk_recv_callback)(h2_callbacks *, h2_data) noexcept
    void (*session_callbacks_set_on_stream_close_callback)(h2_callbacks *, h2_closed) noexcept
    int (*option_new)(h2_option **) noexcept
    void (*option_set_no_closed_streams)(h2_option *, int) noexcept
    void (*option_set_no_rfc9113_leading_and_trailing_ws_validation)(h2_option *, int) noexcept
    void (*option_set_stream_reset_rate_limit)(h2_option *, uint64_t, uint64_t) noexcept
    int (*session_server_new2)(h2_session **, const h2_callbacks *, void *, const h2_option *) noexcept
    void (*session_del)(h2_session *) noexcept
    Py_ssize_t (*session_mem_recv)(h2_session *, const uint8_t *, size_t) noexcept
    Py_ssize_t (*session_mem_send)(h2_session *, const uint8_t **) noexcept
    int (*session_want_read)(h2_session *) noexcept
    int (*session_want_write)(h2_session *) noexcept
    int (*session_set_local_window_size)(h2_session *, uint8_t, int32_t, int32_t) noexcept
    int32_t (*session_get_last_proc_stream_id)(h2_session *) noexcept
    int (*submit_settings)(h2_session *, uint8_t, const h2_setting *, size_t) noexcept
    int (*submit_response)(h2_session *, int32_t, const h2_nv *, size_t, const h2_provider *) noexcept
    int (*submit_trailer)(h2_session *, int32_t, const h2_nv *, size_t) noexcept
    int (*submit_rst_stream)(h2_session *, uint8_t, int32_t, uint32_t) noexcept
    int (*submit_goaway)(h2_session *, uint8_t, int32_t, uint32_t, const uint8_t *, size_t) noexcept
    int (*submit_ping)(h2_session *, uint8_t, const uint8_t *) noexcept
    const char *(*strerror)(int) noexcept


cdef Library library  # empty until `use_library`
