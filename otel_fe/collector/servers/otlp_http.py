"""OTLP over HTTP: protobuf and JSON, plain or packed."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import EncodingError, NoPipelineError, PressureError, RefusedError, TooLargeError
from otel_fe.collector.servers.bodies import unpacked
from otel_fe.collector.servers.cors import allowance, preflight
from otel_fe.collector.servers.http_connection import Limits
from otel_fe.collector.servers.http_messages import Request, Response, Terms
from otel_fe.collector.servers.http_server import HttpServer
from otel_fe.collector.servers.statuses import INTERNAL, UNAUTHENTICATED, Code, code_of, status, status_json
from otel_fe.collector.servers.tls import ssl_context
from otel_fe.collector.wire.json import Converted, convert
from otel_fe.collector.wire.responses import response
from otel_fe.collector.wire.wire_error import WireError

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import HttpServer as Settings

_log = logging.getLogger("otel_fe")
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_THREADS: Final = 4
_MOST_UNDER_WAY: Final = 64
"""Requests whose bodies are held. More are refused: senders try again, memory does not."""
_CODE_BAD_METHOD: Final = Code(12, 405)


class OtlpHttpServer:
    """Listens for OTLP/HTTP.

    Args:
        settings: Of the receiver's `protocols::http`.
        endpoint: Where to listen; a port of 0 takes a free one.
        intake: Takes the requests.
        tokens: Who may send; None for anybody.
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
        }
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="otel-fe-http")
        self._under_way = 0
        tls = ssl_context(settings.tls, where) if settings.tls is not None else None
        given = Limits()
        limits = Limits(settings.read_timeout_ns / 1e9 or given.read_s, settings.idle_timeout_ns / 1e9 or given.idle_s)
        turned_away = partial(intake.refuse, "connections")
        self._server = HttpServer(loop, self._look, self._answer, limits, tls, turned_away)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def start(self, *, shared: bool = False) -> None:
        """Begin to listen.

        Raises:
            OSError: The port is taken.
        """
        self._server.listen(self._endpoint, shared=shared)

    def stop(self, grace_s: float) -> None:
        """Take no new request; those under way have `grace_s`."""
        self._server.stop(grace_s)
        self._pool.shutdown(wait=False)

    # --- one request -----------------------------------------------------------------------------------------------------

    def _look(self, request: Request) -> Terms | Response:
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
        error: RefusedError | None = None
        if _content_type(request) not in (_PROTOBUF, _JSON):
            error = EncodingError(f"Content-Type is {_PROTOBUF} or {_JSON}")
        elif not self.intake.takes(signal):
            error = NoPipelineError(signal)
        elif self._under_way >= _MOST_UNDER_WAY:
            error = PressureError("busy", f"{_MOST_UNDER_WAY} requests are under way")
        if error is not None:
            self.intake.refuse(error)
            return self._refused(request, error)
        most = self._settings.max_request_body_bytes
        return Terms(most, self._refused(request, TooLargeError(most)))

    async def _answer(self, request: Request) -> Response:
        signal = self._signals[request.path]
        self._under_way += 1
        try:
            # Unpacking, decoding and deciding take milliseconds, in which the loop must serve others.
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._take, signal, request)
        finally:
            self._under_way -= 1

    def _take(self, signal: str, request: Request) -> Response:
        as_json = _content_type(request) == _JSON
        try:
            payload = unpacked(
                request.body, request.headers.get("content-encoding", ""), self._settings.max_request_body_bytes
            )
            converted = convert(signal, payload) if as_json else Converted(payload, {})
        except (RefusedError, WireError) as error:
            self.intake.refuse(error)
            return self._refused(request, error)
        try:
            outcome = self.intake.take(signal, converted.payload, converted.rejected)
        except (RefusedError, WireError) as error:
            return self._refused(request, error)
        except Exception:
            # Whatever it is, the sender must hear of it in its own terms, and the server go on.
            _log.exception("a request for %s failed", signal)
            return self._refusal(request, INTERNAL, "internal error")
        body = response(signal, outcome, as_json=as_json)
        return Response(200, body, _JSON if as_json else _PROTOBUF, self._extra(request))

    # --- what is answered --------------------------------------------------------------------------------------------------

    def _refused(self, request: Request, error: RefusedError | WireError) -> Response:
        retry_s = error.retry_after_s if isinstance(error, RefusedError) else 0.0
        headers = (("retry-after", str(max(1, round(retry_s)))),) if retry_s else ()
        return self._refusal(request, code_of(error), str(error), retry_s, headers)

    def _refusal(
        self,
        request: Request,
        code: Code,
        message: str,
        retry_s: float = 0.0,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """Return a status in the encoding of the request, as OTLP wants it."""
        as_json = _content_type(request) == _JSON
        body = (status_json if as_json else status)(code, message, retry_s)
        return Response(code.http, body, _JSON if as_json else _PROTOBUF, (*headers, *self._extra(request)))

    def _extra(self, request: Request) -> tuple[tuple[str, str], ...]:
        return (*self._settings.response_headers.items(), *allowance(self._settings.cors, request))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
