"""OTLP over HTTP: protobuf and JSON, plain or packed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import EncodingError, PressureError, RefusedError, StoppingError, TooLargeError
from otel_fe.collector.servers.bodies import ACCEPTED, check_encoding, unpacked
from otel_fe.collector.servers.cors import allowance, preflight
from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.http_limits import HttpLimits
from otel_fe.collector.servers.http_messages import HttpRequest, Response, Terms
from otel_fe.collector.servers.http_server import HttpServer
from otel_fe.collector.servers.json_bounds import check_values
from otel_fe.collector.servers.statuses import INTERNAL, UNAUTHENTICATED, Code, code_of, status, status_json
from otel_fe.collector.servers.tls import ssl_context
from otel_fe.wire.json import Converted, convert
from otel_fe.wire.responses import response
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import HttpServerSettings as Settings

_log = logging.getLogger("otel_fe")
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_THREADS: Final = 4
_MOST_UNDER_WAY: Final = 128
"""Requests that are processed or wait for that. More are refused: senders try again, memory does not."""
_MOST_OF_ONE: Final = 64
"""Requests under way of one sender's address."""
_CODE_BAD_METHOD: Final = Code(12, 405)


class OtlpHttpServer:
    """Listens for OTLP/HTTP.

    Args:
        settings: Of the receiver's `protocols::http`.
        endpoint: Where to listen; a port of 0 takes a free one.
        intake: Takes the requests.
        tokens: Accepted tokens; None for no authentication.
        where: The key of the settings, for messages.
        loop: Where it runs.

    Raises:
        ConfigurationError: A certificate cannot be used.
    """

    def __init__(
        self, settings: Settings, endpoint: Endpoint, intake: Intake, tokens: Tokens | None, where: str, loop: Loop
    ) -> None:
        self.tokens = tokens
        self.intake = intake
        self._settings = settings
        self._endpoint = endpoint
        self._signals = {
            settings.traces_url_path: "traces",
            settings.metrics_url_path: "metrics",
            settings.logs_url_path: "logs",
            SIGNALS["profiles"].path: "profiles",  # which the Collector does not let one change
        }
        self._pool = DaemonPool(_THREADS, "otel-fe-http")
        self._json_pool = DaemonPool(1, "otel-fe-http-json")
        """JSON takes twenty times the CPU of protobuf: a separate thread for it leaves the others to protobuf."""
        self._under_way: Counter[str] = Counter()
        """By sender."""
        tls = ssl_context(settings.tls, where) if settings.tls is not None else None
        turned_away = partial(intake.refuse, "connections")
        self._server = HttpServer(loop, self._look, self._answer, _limits(settings), tls, turned_away)

    @property
    def port(self) -> int:
        """Its address."""
        return self._server.port

    def start(self, *, shared: bool = False) -> None:
        """Start listening.

        Raises:
            OSError: The port is taken.
        """
        self._server.listen(self._endpoint, shared=shared)

    def stop(self, grace_s: float) -> None:
        """Stop accepting requests; those in progress have `grace_s`."""
        self._server.stop(grace_s)
        self._pool.shutdown(cancel_futures=True)
        self._json_pool.shutdown(cancel_futures=True)

    # --- one request -----------------------------------------------------------------------------------------------------

    def _look(self, request: HttpRequest) -> Terms | Response:
        """Refuse by the head of a request what can be refused by it, before its body takes any room."""
        signal = self._signals.get(request.path)
        if signal is None:
            return Response(404, b"not found; OTLP is sent to /v1/traces, /v1/metrics and /v1/logs\n")
        answered = preflight(self._settings.cors, request)
        if answered is not None:
            return answered
        if request.method != "POST":
            return self._refusal(request, _CODE_BAD_METHOD, "use POST", headers=(("allow", "POST"),))
        tokens = self.tokens
        if tokens is not None and not tokens.accept(request.headers.get(tokens.header)):
            self.intake.refuse("unauthenticated")
            asked = (("www-authenticate", "Bearer"),)
            return self._refusal(request, UNAUTHENTICATED, "send a valid bearer token", headers=asked)
        error = self._refusal_by_head(signal, request)
        if error is not None:
            self.intake.refuse(error)
            return self._refused(request, error)
        most = self._settings.max_request_body_bytes
        no_room = PressureError("memory", "unfinished requests hold too many bytes")
        return Terms(most, self._refused(request, TooLargeError(most)), self._refused(request, no_room))

    def _refusal_by_head(self, signal: str, request: HttpRequest) -> RefusedError | None:
        if _content_type(request) not in (_PROTOBUF, _JSON):
            return EncodingError(f"Content-Type must be {_PROTOBUF} or {_JSON}")
        try:
            check_encoding(request.headers.get("content-encoding", ""))
            self.intake.check(signal)
        except RefusedError as error:
            return error
        if self._under_way[request.sender] >= _MOST_OF_ONE or self._under_way.total() >= _MOST_UNDER_WAY:
            return PressureError("busy", f"{self._under_way.total()} requests are under way")
        return None

    async def _answer(self, request: HttpRequest) -> Response:
        signal = self._signals[request.path]
        pool = self._json_pool if _content_type(request) == _JSON else self._pool
        self._under_way[request.sender] += 1
        try:
            # Unpacking, decoding and deciding take milliseconds, in which the loop must serve others.
            return await asyncio.get_running_loop().run_in_executor(pool, self._take, signal, request)
        except (RuntimeError, asyncio.CancelledError):  # the pool is shut down: the server is stopping
            return self._refused(request, StoppingError())
        finally:
            self._under_way[request.sender] -= 1
            if not self._under_way[request.sender]:
                del self._under_way[request.sender]

    def _take(self, signal: str, request: HttpRequest) -> Response:
        as_json = _content_type(request) == _JSON
        try:
            payload = unpacked(
                request.body, request.headers.get("content-encoding", ""), self._settings.max_request_body_bytes
            )
            if as_json:
                check_values(payload)
            converted = convert(signal, payload) if as_json else Converted(payload, {})
        except (RefusedError, WireError) as error:
            self.intake.refuse(error)
            return self._refused(request, error)
        try:
            outcome = self.intake.take(signal, converted.payload, converted.rejected)
        except (RefusedError, WireError) as error:
            return self._refused(request, error)
        except Exception:
            # Whatever it is, the sender must get an error of its protocol, and the server must continue.
            _log.exception("a request for %s failed", signal)
            return self._refusal(request, INTERNAL, "internal error")
        body = response(signal, outcome, as_json=as_json)
        return Response(200, body, _JSON if as_json else _PROTOBUF, self._extra(request))

    # --- what is answered --------------------------------------------------------------------------------------------------

    def _refused(self, request: HttpRequest, error: RefusedError | WireError) -> Response:
        retry_s = error.retry_after_s if isinstance(error, RefusedError) else 0.0
        headers = (("retry-after", str(max(1, round(retry_s)))),) if retry_s else ()
        if isinstance(error, EncodingError):  # RFC 9110, 12.5.3
            headers = (("accept-encoding", ACCEPTED),)
        return self._refusal(request, code_of(error), str(error), retry_s, headers)

    def _refusal(
        self,
        request: HttpRequest,
        code: Code,
        message: str,
        retry_s: float = 0.0,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """Return a status in the encoding of the request, as OTLP requires."""
        as_json = _content_type(request) == _JSON
        body = (status_json if as_json else status)(code, message, retry_s)
        return Response(code.http, body, _JSON if as_json else _PROTOBUF, (*headers, *self._extra(request)))

    def _extra(self, request: HttpRequest) -> tuple[tuple[str, str], ...]:
        return (*self._settings.response_headers.items(), *allowance(self._settings.cors, request))


def _limits(settings: Settings) -> HttpLimits:
    """Return the deadlines of the configuration's keys; 0 means the default."""
    given = HttpLimits()
    return HttpLimits(
        header_s=settings.read_header_timeout_ns / 1e9 or given.header_s,
        read_s=settings.read_timeout_ns / 1e9 or given.read_s,
        write_s=settings.write_timeout_ns / 1e9 or given.write_s,
        idle_s=settings.idle_timeout_ns / 1e9 or given.idle_s,
    )


def _content_type(request: HttpRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
