"""The message for an address that cannot be listened on."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.collector.servers.taken_ports import check_free, listen_error


def test_taken_port_names_the_program_that_has_it():
    """The message has its pid, so that it can be ended."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"cannot listen on localhost:{port}: the port is taken by .* \(pid {os.getpid()}\)$"
        ) as found:
            check_free(Endpoint("localhost", port))
    assert found.value.errno == errno.EADDRINUSE
    check_free(Endpoint("localhost", port))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "ports below 1024 need more rights; use a higher one"),
        (errno.EADDRNOTAVAIL, "this machine does not have that address"),
        (errno.EMFILE, os.strerror(errno.EMFILE)),
    ],
)
def test_reason_is_said_in_words(number, reason):
    """Instead of a number."""
    found = listen_error(Endpoint("127.0.0.1", 80), OSError(number, os.strerror(number)))
    assert found.strerror == f"cannot listen on 127.0.0.1:80: {reason}"
