"""Passing what was received on to the user's own backend: the standard `OTEL_EXPORTER_OTLP_*` variables say where."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WAITING: Final = 1_000
_TIMEOUT_S: Final = 5.0
_PATHS: Final = {"traces": "trace", "metrics": "metrics", "logs": "logs"}


@dataclass(slots=True)
class Forwarded:
    """How it went."""

    endpoint: str
    sent: int = 0
    """Requests that the backend took."""
    failed: int = 0
    """Requests that it did not take, or that did not fit into the queue."""
    error: str = ""
    """The last failure."""


class Forward:
    """Sends requests to a backend from a thread of its own; one that is slow or away holds nobody up.

    Args:
        environ: Where the standard variables are looked up; `OTEL_EXPORTER_OTLP_ENDPOINT` must be there.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        endpoint = environ["OTEL_EXPORTER_OTLP_ENDPOINT"].rstrip("/")
        self.result = Forwarded(endpoint)
        over_http = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").startswith("http/")
        headers = dict(_headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")))
        self._send = _over_http(endpoint, headers) if over_http else _over_grpc(endpoint, headers)
        self._queue: queue.Queue[tuple[str, Any] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="otel-fe-forward", daemon=True)
        self._thread.start()

    def __call__(self, signal: str, request: Any) -> None:
        """Queue a request."""
        try:
            self._queue.put_nowait((signal, request))
        except queue.Full:
            self.result.failed += 1
            self.result.error = "the backend is slower than the demo"

    def close(self) -> Forwarded:
        """Send what is queued, for a while, and return how it went."""
        try:
            self._queue.put(None, timeout=_TIMEOUT_S)
            self._thread.join(2 * _TIMEOUT_S)
        except queue.Full:
            pass
        return self.result

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._send(*item)
                self.result.sent += 1
            except Exception as error:  # noqa: BLE001 any failure is the backend's, and is shown
                self.result.failed += 1
                self.result.error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def _headers(text: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return [(key.strip().lower(), unquote(value.strip())) for key, _, value in pairs]


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _over_http(endpoint: str, headers: dict[str, str]) -> Callable[[str, Any], None]:
    import requests  # noqa: PLC0415 a dependency of the OTLP/HTTP exporter

    session = requests.Session()
    session.headers.update({**headers, "Content-Type": "application/x-protobuf"})

    def send(signal: str, request: Any) -> None:
        answer = session.post(f"{endpoint}/v1/{signal}", data=request.SerializeToString(), timeout=_TIMEOUT_S)
        answer.raise_for_status()

    return send


def _over_grpc(endpoint: str, headers: dict[str, str]) -> Callable[[str, Any], None]:
    import grpc  # noqa: PLC0415 an extra

    target = endpoint.partition("://")[2] or endpoint
    channel = (
        grpc.secure_channel(target, grpc.ssl_channel_credentials())
        if endpoint.startswith("https://")
        else grpc.insecure_channel(target)
    )

    def send(signal: str, request: Any) -> None:
        name = _PATHS[signal]
        call = channel.unary_unary(
            f"/opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service/Export",
            request_serializer=_serialized,
            response_deserializer=lambda data: data,
        )
        call(request, timeout=_TIMEOUT_S, metadata=tuple(headers.items()))

    return send
