"""The functions of libnghttp2, found in the library when a process first needs it: no header and no linker has to know them."""

from libc.stdint cimport uintptr_t
from libc.string cimport memcpy

from otel_fe.compiled.nghttp2 cimport Library
from otel_fe.compiled.sources cimport OTEL_FE_SOURCES

SOURCES = OTEL_FE_SOURCES.decode()

cdef enum:
    NUMBER_OF_FUNCTIONS = 25

_FUNCTIONS = (
    "session_callbacks_new",
    "session_callbacks_set_on_begin_headers_callback",
    "session_callbacks_set_on_header_callback",
    "session_callbacks_set_on_frame_recv_callback",
    "session_callbacks_set_on_data_chunk_recv_callback",
    "session_callbacks_set_on_stream_close_callback",
    "option_new",
    "option_set_no_closed_streams",
    "option_set_no_rfc9113_leading_and_trailing_ws_validation",
    "option_set_stream_reset_rate_limit",
    "session_server_new2",
    "session_del",
    "session_mem_recv",
    "session_mem_send",
    "session_want_read",
    "session_want_write",
    "session_set_local_window_size",
    "session_get_last_proc_stream_id",
    "submit_settings",
    "submit_response",
    "submit_trailer",
    "submit_rst_stream",
    "submit_goaway",
    "submit_ping",
    "strerror",
)  # the members of `Library`, in their order


def use_library(address_of):
    """Take over the functions of the loaded library.

    Args:
        address_of: Returns the address of a function, by its name without `nghttp2_`; 0 for an option that this version lacks.
    """
    cdef uintptr_t[NUMBER_OF_FUNCTIONS] addresses
    cdef int place
    for place in range(NUMBER_OF_FUNCTIONS):
        addresses[place] = address_of(_FUNCTIONS[place])
    memcpy(&library, addresses, sizeof(Library))


if sizeof(Library) != NUMBER_OF_FUNCTIONS * sizeof(uintptr_t) or len(_FUNCTIONS) != NUMBER_OF_FUNCTIONS:
    raise ImportError("the functions of libnghttp2 are not laid out as they are named")
