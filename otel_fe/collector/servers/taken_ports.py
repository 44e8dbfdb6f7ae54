"""Finds why an address cannot be listened on, and the program that uses it."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.collector.servers.endpoints import Endpoint


def check_free(endpoint: Endpoint) -> None:
    """Bind an address and release it: gRPC's C core would log a failure on stderr, with less detail.

    Raises:
        OSError: The address cannot be bound; the message says why.
    """
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has only just been closed is free
        try:
            probe.bind((endpoint.address, endpoint.port))
        except OSError as error:
            raise listen_error(endpoint, error) from error


def listening_socket(endpoint: Endpoint, *, shared: bool) -> socket.socket:
    """Return a socket that is bound to an address; with `shared`, to one that other processes are bound to, too.

    Raises:
        OSError: It cannot be bound.
    """
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((endpoint.address, endpoint.port))
    except BaseException:
        listener.close()
        raise
    return listener


def listen_error(endpoint: Endpoint, error: OSError) -> OSError:
    """Return an error that says why an address cannot be listened on, in place of the operating system's."""
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(endpoint.port)
        reason = f"the port is taken{f' by {holder}' if holder else ''}"
    elif error.errno == errno.EACCES:
        reason = "ports below 1024 need more rights; use a higher one"
    elif error.errno == errno.EADDRNOTAVAIL:
        reason = "this machine does not have that address"
    return OSError(error.errno, f"cannot listen on {endpoint}: {reason}")


def holder_of(port: int) -> str:
    """Return which program listens on a port, as `name (pid 123)`; empty where that cannot be seen."""
    import psutil  # noqa: PLC0415 a collector that starts does without

    with contextlib.suppress(psutil.Error, OSError, RuntimeError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.pid and _port(connection.laddr) == port:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""


def _port(address: Sequence[object]) -> object:
    return address[1] if len(address) > 1 else None
