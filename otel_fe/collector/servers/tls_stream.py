"""A connected socket in TLS. In a module of its own: a collector without TLS does without OpenSSL's memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket

_WAITING: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsStream:
    """An encrypted connection.

    Args:
        connected: The socket.
        context: Certificates and protocols.

    Raises:
        OSError: The connection was lost.
    """

    def __init__(self, connected: socket.socket, context: ssl.SSLContext) -> None:
        self.socket: ssl.SSLSocket = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        self.ready = False
        self.waits_to_write = False

    @property
    def has_more(self) -> bool:
        """Whether there are decrypted bytes to receive: the socket does not show them to a selector."""
        return self.socket.pending() > 0

    def shake(self) -> bool:
        """Continue the handshake; return whether it is done.

        Raises:
            OSError: It failed, or the client does not speak HTTP/2.
        """
        try:
            self.socket.do_handshake()
        except _WAITING as error:
            self.waits_to_write = not isinstance(error, ssl.SSLWantReadError)
            return False
        self.ready, self.waits_to_write = True, False
        if self.socket.selected_alpn_protocol() not in ("h2", None):
            raise ConnectionAbortedError
        return True

    def receive(self, buffer: bytearray) -> int | None:
        """Receive into a buffer; return the number of bytes, 0 at the end, and None if there are none now."""
        try:
            return self.socket.recv_into(buffer)
        except _WAITING:
            return None

    def send(self, data: bytes) -> int:
        """Send; return the number of bytes that were taken, 0 if none can be taken now."""
        try:
            return self.socket.send(data)
        except _WAITING:
            return 0
