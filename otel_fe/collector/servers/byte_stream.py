"""The bytes of one connection: read with a bound, written with a deadline, encrypted or not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

READ_BYTES: Final = 1 << 16
"""The most that is read at once, and the most that waits to be read."""
_CLOSE_S: Final = 2.0


class ByteStream(asyncio.BufferedProtocol):
    """A connection's bytes. Unlike `asyncio.StreamReader`, it never holds more than `READ_BYTES` of them.

    Args:
        shared: Where the kernel puts what it has received; one for all connections of an event loop.
        opened: Called with this stream as soon as the connection is accepted, before a TLS handshake.
    """

    def __init__(self, shared: bytearray, opened: Callable[[ByteStream], None]) -> None:
        self._shared = memoryview(shared)
        self._opened = opened
        self._transport: Any = None
        self._received = b""
        self._ended = False
        self._lost = False
        self._writable = True
        self._shaking = False
        """Whether TLS shakes hands: `_transport` is not the one that decrypts yet."""
        self._waiting: asyncio.Future[None] | None = None
        self.sender = ""
        """Address of the other side, without its port; empty on a Unix socket."""

    # --- what asyncio calls ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Start the stream."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all is sent
        peer = transport.get_extra_info("peername")
        self.sender = str(peer[0]) if isinstance(peer, tuple) else ""
        self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 asyncio's name
        """Return where to receive."""
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        """Add received bytes."""
        self._received += bytes(self._shared[:nbytes])
        if len(self._received) >= READ_BYTES and not self._shaking:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Note that the other side sends no more; an answer may still be on its way."""
        self._ended = True
        self._wake()
        return self._transport.get_extra_info("sslcontext") is None  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """Note that something waits to be sent."""
        self._writable = False

    def resume_writing(self) -> None:
        """Note that all is sent."""
        self._writable = True
        self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 asyncio's name
        """Note the end."""
        self._lost = self._ended = True
        self._wake()

    # --- what the server calls -----------------------------------------------------------------------------------------------

    async def start_tls(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Shake hands.

        Raises:
            OSError: The other side does not, or not in time.
        """
        loop = asyncio.get_running_loop()
        self._shaking = True
        encrypted = await loop.start_tls(
            self._transport, self, context, server_side=True, ssl_handshake_timeout=timeout_s
        )
        self._shaking = False
        if encrypted is None:
            raise ConnectionAbortedError
        # Of 0, asyncio's TLS takes an empty buffer for a full one, and calls `pause_writing` after every other read or write.
        encrypted.set_write_buffer_limits(high=1, low=0)
        self._transport = encrypted
        if len(self._received) >= READ_BYTES:  # a request that came with the end of the handshake
            encrypted.pause_reading()

    async def read(self) -> bytes:
        """Return the bytes that have come, waiting for the first; none at the end."""
        while not self._received and not self._ended:
            await self._wait()
        data, self._received = self._received, b""
        if len(data) >= READ_BYTES and not self._lost:
            self._transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Send, in the background."""
        self._transport.write(data)

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything is with the kernel.

        Raises:
            asyncio.TimeoutError: It is not in time.
            ConnectionResetError: The connection ended.
        """
        if not self._writable:
            await asyncio.wait_for(self._drained(), timeout_s)
        if self._lost:
            raise ConnectionResetError

    def write_eof(self) -> None:
        """Send the end of the stream, where the transport has one."""
        if not self._lost and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        """Close the connection; TLS waits a moment for its closing message."""
        self._transport.close()
        if not self._lost:
            asyncio.get_running_loop().call_later(_CLOSE_S, self._transport.abort)

    def abort(self) -> None:
        """End the connection at once; what waits to be sent is dropped."""
        if self._transport is not None:
            self._transport.abort()

    async def _drained(self) -> None:
        while not self._writable and not self._lost:
            await self._wait()

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
