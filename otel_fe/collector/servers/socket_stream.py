"""A connected socket that does not block, as a `Http2Connection` uses it: as it is, or in TLS (`tls_stream`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket


class SocketStream(Protocol):
    """The bytes of one connection."""

    @property
    def socket(self) -> socket.socket:
        """To wait for, and to close."""
        ...

    @property
    def ready(self) -> bool:
        """Whether there is no handshake to be done first."""
        ...

    @property
    def waits_to_write(self) -> bool:
        """Whether the handshake waits until the socket takes more."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether there is something to receive that the socket does not show."""
        ...

    def shake(self) -> bool:
        """Continue the handshake; return whether it is done.

        Raises:
            OSError: It failed, or the client does not speak HTTP/2.
        """
        ...

    def receive(self, buffer: bytearray) -> int | None:
        """Receive into a buffer; return the number of bytes, 0 at the end, and None if there are none now.

        Raises:
            OSError: The connection was lost.
        """
        ...

    def send(self, data: bytes) -> int:
        """Send; return the number of bytes that were taken, 0 if none can be taken now.

        Raises:
            OSError: The connection was lost.
        """
        ...


class PlainStream:
    """An unencrypted connection.

    Args:
        connected: The socket.
    """

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.ready = True
        self.waits_to_write = False
        self.has_more = False

    def shake(self) -> bool:
        """Return true: there is nothing to be done."""
        return True

    def receive(self, buffer: bytearray) -> int | None:
        """Receive into a buffer; return the number of bytes, 0 at the end, and None if there are none now."""
        try:
            return self.socket.recv_into(buffer)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> int:
        """Send; return the number of bytes that were taken, 0 if none can be taken now."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
