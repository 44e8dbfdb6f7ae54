"""One connection of an HTTP/1.1 client.

h11 parses and holds what HTTP allows; here are the bytes, the times and the sizes. h11 does no I/O, has no dependencies, is strict
about everything that request smuggling lives on, and is what uvicorn and httpx stand on. Its cost, some 200 µs for a request, is
small beside that of the hundreds of spans in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import h11

from otel_fe.collector.servers.http_messages import Request, Response

if TYPE_CHECKING:
    from otel_fe.collector.servers.http_messages import Answer, Look

_log = logging.getLogger("otel_fe")
_READ_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 1 << 14
_LINGER_BYTES: Final = 4 << 20
_LINGER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may take."""

    read_s: float = 60.0
    """For a whole request, from its first byte."""
    idle_s: float = 900.0
    """For the next request."""
    first_s: float = 10.0
    """For the first byte of the first."""


class HttpConnection:
    """Reads requests and answers them, one after the other.

    Args:
        reader: The client's bytes.
        writer: Ours.
        look: See `Look`.
        answer: See `Answer`.
        limits: Times.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        look: Look,
        answer: Answer,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._look = look
        self._answer = answer
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self.idle = True
        """Between two requests."""
        self._bodiless = False
        self.closing = False
        """The server is stopping: the request under way is the last."""

    async def serve(self) -> None:
        """Serve the client until either side ends it."""
        wait_s = self._limits.first_s
        try:
            while await self._serve_one(wait_s):
                wait_s = self._limits.idle_s
        except h11.RemoteProtocolError as error:
            await self._end_with(Response(error.error_status_hint, f"{error}\n".encode()))
        except (ConnectionError, asyncio.TimeoutError, TimeoutError, h11.LocalProtocolError):
            pass
        finally:
            self._writer.close()

    async def _serve_one(self, wait_s: float) -> bool:
        """Serve a request; whether another may follow."""
        self.idle = True
        if not self._http.trailing_data[0]:
            data = await self._read(wait_s)
            self._http.receive_data(data)
            if not data:
                return False
        self.idle = False
        # Whoever sends one byte a second is cut off; to answer them would be one more thing to wait for.
        cut = asyncio.get_running_loop().call_later(self._limits.read_s, self._writer.transport.abort)
        try:
            request = await self._receive()
        finally:
            cut.cancel()
        if request is None:
            return False
        if isinstance(request, Response):
            await self._end_with(request)
            return False
        try:
            response = await self._answer(request)
        except Exception:
            _log.exception("a request for %s failed", request.path)
            response = Response(500, b"internal error\n")
        return await self._respond(response)

    async def _receive(self) -> Request | Response | None:
        """Return the next request with its body, or what to answer instead of reading that; None at the connection's end."""
        event = await self._next_event()
        if not isinstance(event, h11.Request):
            return None
        head = _head_of(event)
        self._bodiless = head.method == "HEAD"
        terms = self._look(head)
        if isinstance(terms, Response):
            return terms
        declared = head.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > terms.most_bytes:
            return terms.too_large
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._next_event(), h11.Data):
            size += len(event.data)
            if size > terms.most_bytes:
                return terms.too_large
            parts.append(bytes(event.data))
        if not isinstance(event, h11.EndOfMessage):
            return None
        return Request(head.method, head.path, head.headers, b"".join(parts))

    async def _next_event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _read(self, wait_s: float) -> bytes:
        return await asyncio.wait_for(self._reader.read(_READ_BYTES), wait_s)

    async def _respond(self, response: Response) -> bool:
        """Send a response; whether another request may follow."""
        headers = [
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ]
        if self.closing:
            headers.append(("connection", "close"))
        reason = HTTPStatus(response.status).phrase.encode()
        self._send(h11.Response(status_code=response.status, reason=reason, headers=headers))
        if response.body and not self._bodiless:
            self._send(h11.Data(data=response.body))
        self._send(h11.EndOfMessage())
        if self._writer.transport.get_write_buffer_size() > _READ_BYTES:
            await asyncio.wait_for(self._writer.drain(), self._limits.read_s)
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _end_with(self, response: Response) -> None:
        """Send a response, and read on for a while: were the socket closed at once, the client might never see it."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        self.closing = True
        await self._respond(response)
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = _LINGER_BYTES
        cut = asyncio.get_running_loop().call_later(_LINGER_S, self._writer.transport.abort)
        with contextlib.suppress(ConnectionError):
            while left > 0 and (data := await self._reader.read(_READ_BYTES)):
                left -= len(data)
        cut.cancel()

    def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)


def _head_of(event: h11.Request) -> Request:
    headers: dict[str, str] = {}
    for name, value in event.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    target = event.target.decode("latin-1")
    return Request(event.method.decode("ascii"), target.partition("?")[0], headers)
