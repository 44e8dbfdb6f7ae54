"""One connection of an HTTP/1.1 client.

h11 parses and holds what HTTP allows; here are the bytes, the times and the sizes. h11 does no I/O, has no dependencies, is strict
about everything that request smuggling lives on, and is what uvicorn and httpx build on. Its cost, some 200 µs for a request, is
small beside that of the hundreds of spans in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import h11

from otel_fe.collector.servers.connections import Phase
from otel_fe.collector.servers.http_messages import HttpRequest, Response

if TYPE_CHECKING:
    import ssl

    from otel_fe.collector.servers.byte_stream import ByteStream
    from otel_fe.collector.servers.held_bytes import HeldBytes
    from otel_fe.collector.servers.http_limits import HttpLimits
    from otel_fe.collector.servers.http_messages import Answer, Look, Terms

_log = logging.getLogger("otel_fe")
_HEAD_BYTES: Final = 1 << 14
_LINGER_BYTES: Final = 4 << 20
_LINGER_S: Final = 1.0
_NO_ROOM: Final = Response(503, b"busy\n", headers=(("retry-after", "1"),))


class _NoRoomError(ConnectionError):
    """All connections together hold too many bytes, and no other one can be closed."""


class HttpConnection:
    """Reads requests and answers them, one after the other.

    Args:
        stream: The client's bytes, and ours.
        look: See `Look`.
        answer: See `Answer`.
        limits: Times.
        held: Counts what this connection holds, with all others.
        tls: None for plain HTTP.
    """

    def __init__(
        self,
        stream: ByteStream,
        look: Look,
        answer: Answer,
        limits: HttpLimits,
        held: HeldBytes,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sender: Final = stream.sender
        self.phase = Phase.HEAD if tls is None else Phase.HANDSHAKE
        self.since_s = asyncio.get_running_loop().time()
        """When its phase began; of a request, when its head did."""
        self.proven = False
        """Whether it has completed a request that was not refused."""
        self.closing = False
        """The server is stopping: the request in progress is the last."""
        self._stream = stream
        self._look = look
        self._answer = answer
        self._limits = limits
        self._held = held
        self._tls = tls
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._bodiless = False

    @property
    def evictable(self) -> bool:
        """Return whether it waits for the client."""
        return self.phase is not Phase.ANSWER

    @property
    def idle(self) -> bool:
        """Return whether it is between two requests."""
        return self.phase is Phase.IDLE or (self.phase is Phase.HEAD and not self._http.trailing_data[0])

    def evict(self) -> None:
        """End it at once, for others to have its room."""
        self._stream.abort()

    async def serve(self) -> None:
        """Serve the client until either side ends it."""
        try:
            if self._tls is not None:
                await self._stream.start_tls(self._tls, self._limits.handshake_s)
                self._enter(Phase.HEAD)
            while await self._serve_one():
                self._enter(Phase.IDLE)
        except h11.RemoteProtocolError as error:
            with contextlib.suppress(OSError, asyncio.TimeoutError, h11.LocalProtocolError):
                await self._end_with(Response(error.error_status_hint, f"{error}\n".encode()))
        except (OSError, asyncio.TimeoutError, h11.LocalProtocolError):
            self._stream.abort()
        finally:
            self._held.release(self)
            self._stream.close()

    async def _serve_one(self) -> bool:
        """Serve a request; whether another may follow."""
        loop = asyncio.get_running_loop()
        if self.phase is Phase.IDLE and not self._http.trailing_data[0]:
            if not await self._receive_some(self._limits.idle_s):
                return False
            self._enter(Phase.HEAD)
        # A client that sends one byte a second is cut off; a response would be one more thing to wait for.
        cuts = [loop.call_later(self._limits.read_s, self._stream.abort)]
        try:
            request = await self._receive(cuts)
        finally:
            for cut in cuts:
                cut.cancel()
        if request is None:
            return False
        if isinstance(request, Response):
            await self._end_with(request)
            return False
        self.phase = Phase.ANSWER
        try:
            response = await self._answer(request)
        except Exception:
            _log.exception("a request for %s failed", request.path)
            response = Response(500, b"internal error\n")
        self.proven = self.proven or response.status < HTTPStatus.BAD_REQUEST
        del request
        self._held.release(self)
        return await self._respond(response)

    async def _receive(self, cuts: list[asyncio.TimerHandle]) -> HttpRequest | Response | None:
        """Return the next request with its body, or what to answer instead; None at the connection's end.

        Args:
            cuts: End the connection in time; the one for the head is added.
        """
        head_cut = asyncio.get_running_loop().call_later(self._limits.header_s, self._stream.abort)
        cuts.append(head_cut)
        event = await self._next_event()
        head_cut.cancel()
        if not isinstance(event, h11.Request):
            return None
        head = _head_of(event, self.sender)
        self._bodiless = head.method == "HEAD"
        terms = self._look(head)
        if isinstance(terms, Response):
            return terms
        body = await self._body(head, terms)
        if not isinstance(body, bytes):
            return body
        return HttpRequest(head.method, head.path, head.headers, body, head.query, head.sender)

    async def _body(self, head: HttpRequest, terms: Terms) -> bytes | Response | None:
        """Return a request's body, or what to answer instead of reading it; None at the connection's end."""
        declared = head.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > terms.most_bytes:
            return terms.too_large
        self.phase = Phase.BODY
        parts: list[bytes] = []
        size = 0
        try:
            while isinstance(event := await self._next_event(), h11.Data):
                size += len(event.data)
                if size > terms.most_bytes:
                    return terms.too_large
                parts.append(bytes(event.data))
        except _NoRoomError:
            return terms.no_room
        return b"".join(parts) if isinstance(event, h11.EndOfMessage) else None

    async def _next_event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            data = await self._stream.read()
            if not self._held.hold(self, len(data)):
                raise _NoRoomError
            self._http.receive_data(data)
        return event

    async def _receive_some(self, wait_s: float) -> bool:
        """Wait for the first bytes of a request; whether they came."""
        data = await asyncio.wait_for(self._stream.read(), wait_s)
        if not self._held.hold(self, len(data)):
            raise _NoRoomError
        self._http.receive_data(data)
        return bool(data)

    async def _respond(self, response: Response) -> bool:
        """Send a response; whether another request may follow."""
        if not self._held.hold(self, len(response.body)):
            response = _NO_ROOM
        self._enter(Phase.RESPONSE)
        headers = [
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ]
        if self.closing:
            headers.append(("connection", "close"))
        reason = HTTPStatus(response.status).phrase.encode()
        events: list[Any] = [h11.Response(status_code=response.status, reason=reason, headers=headers)]
        if response.body and not self._bodiless:
            events.append(h11.Data(data=response.body))
        # As one write: several would each be a separate packet.
        self._stream.write(b"".join(self._http.send(event) or b"" for event in [*events, h11.EndOfMessage()]))
        await self._stream.drain(self._limits.write_s)
        self._held.release(self)
        if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _end_with(self, response: Response) -> None:
        """Send a response, and read on for a while: were the socket closed at once, the client might never see it."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        self.closing = True
        self._held.release(self)
        await self._respond(response)
        self._stream.write_eof()
        left = _LINGER_BYTES
        cut = asyncio.get_running_loop().call_later(_LINGER_S, self._stream.abort)
        while left > 0 and (data := await self._stream.read()):
            left -= len(data)
        cut.cancel()

    def _send(self, event: Any) -> None:
        data = self._http.send(event)
        if data:
            self._stream.write(data)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since_s = asyncio.get_running_loop().time()


def _head_of(event: h11.Request, sender: str) -> HttpRequest:
    headers: dict[str, str] = {}
    for name, value in event.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    path, _, query = event.target.decode("latin-1").partition("?")
    return HttpRequest(event.method.decode("ascii"), path, headers, b"", query, sender)
