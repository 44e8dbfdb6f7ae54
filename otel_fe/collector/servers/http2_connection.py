"""One connection of a gRPC client: its calls, its times, its sizes. HTTP/2 itself is in `compiled/http2.pyx`."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.collector.refusals import PressureError, RefusedError, TooLargeError
from otel_fe.collector.servers.bodies import unpacked_grpc
from otel_fe.collector.servers.client_conduct import ClientConduct
from otel_fe.collector.servers.connections import Phase
from otel_fe.collector.servers.grpc_calls import GrpcCalls, Refusal, refusal, timeout_s
from otel_fe.collector.servers.http2_answers import HEADERS, TRAILERS, WRONG_PORT, is_http1, refused
from otel_fe.collector.servers.statuses import Code
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.collector.servers.grpc_limits import GrpcLimits
    from otel_fe.collector.servers.held_bytes import HeldBytes
    from otel_fe.collector.servers.socket_stream import SocketStream
    from otel_fe.compiled.calls import Call
    from otel_fe.compiled.http2 import Session

_MOST_SENT: Final = 1 << 16
"""Bytes: if a session returns fewer, it has no more to send."""
_READS: Final = 8
"""In a row, before other connections have their turn."""
_LINGER_S: Final = 1.0
"""For the other side to close a connection, once all is said: closed at once, what was sent last might never be seen."""
_NO_ERROR: Final = 0x0
_CANCEL: Final = 0x8
_ENHANCE_YOUR_CALM: Final = 0xB
_UNIMPLEMENTED: Final = Code(12, 404)
_AGE_SPREAD: Final = 0.1
"""Ages differ by so much either way, so that not all clients reconnect at once."""
_CONTENT_TYPE: Final = b"application/grpc"
_FORMATS: Final = (b"application/grpc+", b"application/grpc;")
"""Begin content types that name a message format. `application/grpc-web` is another protocol."""
_SHORTEST_TIMEOUT_S: Final = 0.005
"""Calls that are processed sooner are not asked for their timeout."""


class Http2Connection:
    """Reads calls and answers them, each as soon as it has come completely. Used from the thread of its loop only.

    Args:
        stream: The client's bytes, and ours.
        sender: Address of the other side, without its port.
        calls: Takes the calls.
        limits: Times and numbers.
        held: Counts what this connection holds, with all others.
        dropped: Called when the connection is ended to make room for others.
        now_s: Monotonic time.
    """

    def __init__(
        self,
        stream: SocketStream,
        sender: str,
        calls: GrpcCalls,
        limits: GrpcLimits,
        held: HeldBytes,
        dropped: Callable[[Http2Connection], None],
        now_s: float,
    ) -> None:
        assert compiled.backend is not None  # noqa: S101 the server has checked it
        self._names = compiled.backend.Http2Event
        self._broken = compiled.backend.Http2Error
        self._session: Session = compiled.backend.Http2Session(limits.streams, calls.most_bytes)
        self.stream = stream
        self.sender: Final = sender
        self.proven = False
        """Whether it has completed a request that was not refused."""
        self.closing = False
        """Whether it takes no more calls."""
        self.closed = False
        self._calls = calls
        self._limits = limits
        self._held = held
        self._dropped = dropped
        self._heard = False
        """Whether the client has sent anything: nothing is said before, since it may not be HTTP/2 that it speaks."""
        self._ready = False
        """Whether the client has sent its preface and settings."""
        self._last_signal: str | None = None
        """The signal of the last call; None if its headers were refused."""
        self._output = b""
        self._counted = 0
        """Bytes that are counted in `held`."""
        self._begun_s = self._received_s = self._idle_since_s = now_s
        self._age_s = limits.age_s * random.uniform(1 - _AGE_SPREAD, 1 + _AGE_SPREAD)  # noqa: S311 no secret
        self._blocked_s: float | None = None
        """Since when the client has not taken what is sent."""
        self._closing_s: float | None = None
        self._ended_s: float | None = None
        """When our side of the connection was closed."""
        self._pinged_s: float | None = None
        """When the server pinged, if there was no answer yet."""
        self._conduct = ClientConduct(limits, now_s)

    # --- for the choice of one to be given up --------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Its state."""
        if not self._ready:
            return Phase.HANDSHAKE
        if self._output:
            return Phase.RESPONSE
        return Phase.BODY if self._session.has_calls else Phase.IDLE

    @property
    def since_s(self) -> float:
        """When its oldest call in progress began, or else the last thing that happened."""
        return min((call.since_s for call in self._session.open_calls), default=self._received_s)

    @property
    def idle(self) -> bool:
        """Return whether it has no call in progress."""
        return not self._session.has_calls

    @property
    def evictable(self) -> bool:
        """Return whether it waits for the client; a call that is processed holds up the loop itself."""
        return True

    def evict(self) -> None:
        """End it at once, for others to have its room."""
        self.close()
        self._dropped(self)

    # --- what the loop calls -------------------------------------------------------------------------------------------

    @property
    def wants_to_write(self) -> bool:
        """Return whether it waits until the socket takes more."""
        return bool(self._output) or self.stream.waits_to_write

    def serve(self, buffer: bytearray, now_s: float) -> None:
        """Read what has come, process the calls that are complete, and send what there is to send."""
        try:
            if not self.stream.ready and not self.stream.shake():
                return
            goes_on = self._read(buffer, now_s)
            self._send(now_s)
            if not goes_on:
                self.close()
        except self._broken:
            with contextlib.suppress(OSError, self._broken):
                if not self._ready and is_http1(buffer):
                    self.stream.send(WRONG_PORT)
                    self._end(now_s)
                    return
                self._send(now_s)  # which says why
            self.close()
        except OSError:
            self.close()

    def check(self, now_s: float) -> None:
        """End what has taken too long; called about once a second."""
        try:
            self._check_calls(now_s)
            if self._is_overdue(now_s):
                self.close()
                return
            if not self.closing and (
                now_s - self._begun_s >= self._age_s
                or (self.idle and now_s - self._idle_since_s >= self._limits.idle_s)
            ):
                self.end_gently(now_s)
            elif self._pinged_s is None and now_s - self._received_s >= self._limits.ping_s:
                self._session.ping()
                self._pinged_s = now_s
            self._send(now_s)
        except (OSError, self._broken):
            self.close()

    def end_gently(self, now_s: float) -> None:
        """Take no more calls; close the connection when those in progress are answered."""
        if not self.closing:
            self.closing = True
            self._closing_s = now_s
            with contextlib.suppress(self._broken):
                self._session.go_away(_NO_ERROR, b"")
        with contextlib.suppress(OSError, self._broken):
            self._send(now_s)

    def close(self) -> None:
        """Be done with it; the loop closes its socket."""
        self.closed = True
        self._held.release(self)

    # --- bytes -----------------------------------------------------------------------------------------------------------

    def _read(self, buffer: bytearray, now_s: float) -> bool:
        """Take what has come; return whether the connection goes on.

        Raises:
            OSError: It was lost.
        """
        reads = 0
        while True:
            size = self.stream.receive(buffer)
            if size is None:
                return True
            if not size:
                return False
            reads += 1
            self._heard = True
            self._received_s = now_s
            self._pinged_s = None
            if self._ended_s is None:
                self._handle(self._session.receive(buffer, size), now_s)
            if self.closed:
                return False
            if not self.stream.has_more and (reads >= _READS or size < len(buffer)):
                return True

    def _send(self, now_s: float) -> None:
        """Send as much as the socket takes.

        Raises:
            OSError: The connection was lost.
        """
        if self.closed or not self.stream.ready:
            return
        if not self.idle:
            self._idle_since_s = now_s
        is_all = self._ended_s is not None or not self._heard
        while True:
            if not self._output:
                if is_all:
                    break
                self._output = self._session.to_send()
                is_all = len(self._output) < _MOST_SENT
                if not self._output:
                    break
            sent = self.stream.send(self._output)
            if not sent:
                self._blocked_s = now_s if self._blocked_s is None else self._blocked_s
                return
            self._output = self._output[sent:]
            self._blocked_s = None
        self._count_held()  # what was sent may have ended calls
        if self._ended_s is None and (self._session.ended or (self.closing and self.idle)):
            self._end(now_s)

    def _end(self, now_s: float) -> None:
        """Close our side: all is said."""
        self._ended_s = now_s
        self.stream.socket.shutdown(socket.SHUT_WR)

    # --- calls -----------------------------------------------------------------------------------------------------------

    def _handle(self, events: list[tuple[int, Any]], now_s: float) -> None:
        names, session = self._names, self._session
        begun_s = time.monotonic()
        for kind, call in events:
            if kind == names.BEGUN:
                call.since_s = now_s
                self._begin(call)
            elif kind == names.COMPLETE:
                if call.signal is not None and session.is_open(call):
                    late = _is_late(call, now_s + time.monotonic() - begun_s)  # others of `events` may have taken long
                    self._answer(call, self._calls.too_late() if late else self._process(call))
            elif kind == names.TOO_LARGE:
                self._answer(call, self._calls.refused(TooLargeError(self._calls.most_bytes)))
            elif kind == names.RESET:
                if call is not None and not call.answered:
                    self._conduct.cancelled(now_s)
            elif kind == names.READY:
                self._ready = True
            elif kind == names.PINGED:
                self._conduct.pinged(now_s, session.held_bytes, idle=self.idle)
        if self._conduct.complaint:
            session.go_away(_ENHANCE_YOUR_CALM, self._conduct.complaint)
            raise self._broken(self._conduct.complaint.decode())
        if not self._count_held():
            error = PressureError("memory", "unfinished requests hold too many bytes")
            for call in session.open_calls:
                self._refuse(call, self._calls.refused(error))

    def _count_held(self) -> bool:
        """Count the bytes that unfinished calls hold now; return whether there is room for them."""
        size = self._session.held_bytes
        if size != self._counted:
            self._held.release(self)
            self._counted = size if not size or self._held.hold(self, size) else 0
        return self._counted == size

    def _begin(self, call: Call) -> None:
        """Look at a call's headers, and refuse it if that is enough to know."""
        if not call.like_last or self._last_signal is None:
            self._last_signal = self._method(call)
        signal = self._last_signal
        if signal is None:
            return
        found = self._refusal(call, signal)
        if found is None:
            call.signal = signal
        else:
            self._refuse(call, found)

    def _refusal(self, call: Call, signal: str) -> Refusal | None:
        calls = self._calls
        if calls.tokens is not None:
            found = calls.refusal_by_token(lambda name: call.values(name.encode("latin-1")))
            if found is not None:
                return found
        return None if call.ended else calls.refusal_by_load(signal)  # `take` looks for itself, and that is now

    def _method(self, call: Call) -> str | None:
        """Return what a call exports; refuse it, and return None, if it is no call of an exporter."""
        kinds = call.values(b"content-type")
        if (
            not kinds
            or not (kinds[0] == _CONTENT_TYPE or kinds[0].startswith(_FORMATS))
            or call.values(b":method") != [b"POST"]
        ):
            self._conduct.answered()
            self._session.refuse(call, [(b":status", b"415")])
            return None
        path = call.values(b":path")[0].decode("latin-1")
        signal = self._calls.signal_of(path)
        if signal is None:
            self._refuse(call, refusal(_UNIMPLEMENTED, f"there is no method {path[:80]}"))
        return signal

    def _process(self, call: Call) -> bytes | Refusal:
        found = call.message()
        if found is None:
            return self._calls.no_message()
        compressed, message = found
        if compressed:
            refused = self._calls.refusal_by_load(call.signal)
            if refused is not None:
                return refused
            encoding = b", ".join(call.values(b"grpc-encoding")).decode("latin-1")
            try:
                message = unpacked_grpc(message, encoding, self._calls.most_bytes)
            except (RefusedError, WireError) as error:
                return self._calls.refused(error)
        return self._calls.take(call.signal, message)

    def _answer(self, call: Call, answered: bytes | Refusal) -> None:
        if isinstance(answered, Refusal):
            self._refuse(call, answered)
        else:
            self._conduct.answered()
            self.proven = True
            self._session.answer(call, answered, HEADERS, TRAILERS)

    def _refuse(self, call: Call, answer: Refusal) -> None:
        self._conduct.answered()
        self._session.refuse(call, refused(answer))

    # --- times -----------------------------------------------------------------------------------------------------------

    def _check_calls(self, now_s: float) -> None:
        for call in self._session.open_calls:
            call.since_s = call.since_s or now_s  # of one whose headers have not come completely, not known before
            if now_s - call.since_s >= self._limits.read_s:
                self._calls.intake.refuse("slow")
                self._session.reset(call, _CANCEL)
            elif call.signal is not None and _is_late(call, now_s):
                self._refuse(call, self._calls.too_late())

    def _is_overdue(self, now_s: float) -> bool:
        limits = self._limits
        return (
            (not self._ready and now_s - self._begun_s >= limits.handshake_s)
            or _past(self._blocked_s, limits.write_s, now_s)
            or _past(self._pinged_s, limits.ping_timeout_s, now_s)
            or _past(self._closing_s, limits.age_grace_s, now_s)
            or _past(self._ended_s, _LINGER_S, now_s)
            # The client grants no window for an answer.
            or any(now_s - call.since_s >= limits.read_s + limits.write_s for call in self._session.unsent_calls)
        )


def _is_late(call: Call, now_s: float) -> bool:
    """Return whether a call's client has stopped waiting for the answer."""
    waited_s = now_s - call.since_s
    return waited_s >= _SHORTEST_TIMEOUT_S and waited_s >= timeout_s(call.timeout)


def _past(since_s: float | None, wait_s: float, now_s: float) -> bool:
    return since_s is not None and now_s - since_s >= wait_s
