"""Sends OTLP profiles to the backend of the process's traces, over gRPC or HTTP.

Endpoint, headers, certificates, compression and timeout are those that the SDK's exporter of spans reads from the standard
variables; it has none for profiles yet.
"""

from __future__ import annotations

import os
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
)

from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

UNSUPPORTED: Final = "unsupported"
FAILED: Final = "export_failed"
GRPC: Final = "grpc"
HTTP: Final = "http/protobuf"
_METHOD: Final = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
_TRACES: Final = "v1/traces"
_PATH: Final = "v1development/profiles"
_LOCAL: Final = "http://localhost:4318"
_NO_SUCH_PATH: Final = frozenset((404, 405, 501))
_TAKEN: Final = range(200, 300)
_TRY_AGAIN: Final = frozenset((429, 502, 503, 504))
_PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Between attempts, as far as the timeout allows."""


class SendOutcome(NamedTuple):
    """The outcome of a request."""

    lost: str = ""
    """Reason of a loss; empty if the request was delivered."""
    detail: str = ""
    """The message of the backend or of the network."""
    rejected: int = 0
    """Number of profiles that the backend did not take."""
    again: bool = False
    """Whether another attempt may succeed."""


class Sender(Protocol):
    """Sends requests, one at a time."""

    def send(self, payload: bytes) -> SendOutcome:
        """Send a request, with retries if they may succeed; return the outcome."""
        ...

    def close(self) -> None:
        """Abort the request being sent."""
        ...


def connecting(environ: Mapping[str, str] = os.environ) -> Callable[[], Sender]:
    """Return the connector to the backend of the standard variables.

    Raises:
        ConfigurationError: Profiles cannot be sent by that protocol, or to that endpoint.
    """
    name = OTEL_EXPORTER_OTLP_TRACES_PROTOCOL
    if not environ.get(name, "").strip():
        name = OTEL_EXPORTER_OTLP_PROTOCOL
    protocol = environ.get(name, "").strip() or GRPC
    if protocol == GRPC:
        return GrpcSender
    if protocol == HTTP:
        endpoint = _http_endpoint(environ)
        return lambda: HttpSender(endpoint)
    raise ConfigurationError(name, protocol, f"profiles are sent by {GRPC} or {HTTP}")


def _http_endpoint(environ: Mapping[str, str]) -> str:
    traces = environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, "").strip()
    if not traces:
        base = environ.get(OTEL_EXPORTER_OTLP_ENDPOINT, "").strip() or _LOCAL
        return f"{base.rstrip('/')}/{_PATH}"
    base = traces.rstrip("/")
    if not base.endswith(f"/{_TRACES}"):
        right = (
            f"end it in /{_TRACES}, which profiles replace by /{_PATH}, or set {OTEL_EXPORTER_OTLP_ENDPOINT} instead"
        )
        raise ConfigurationError(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, traces, right)
    return base.removesuffix(_TRACES) + _PATH


class _Retrying:
    """Tries until a request is delivered or refused, or its time is over."""

    _exporter: Any
    """The SDK's exporter of spans, used for its connection settings only."""

    def __init__(self) -> None:
        self._closed = Event()

    def send(self, payload: bytes) -> SendOutcome:
        """Send a request, with retries if they may succeed; return the outcome."""
        deadline = monotonic() + self._timeout_s
        answer = self._attempt(payload, self._timeout_s)
        for pause in _PAUSES_S:
            left = deadline - monotonic() - pause
            if not answer.again or left <= 0 or self._closed.wait(pause):
                break
            answer = self._attempt(payload, left)
        return answer

    def close(self) -> None:
        """Abort the request being sent."""
        self._closed.set()
        self._exporter.shutdown()

    @property
    def _timeout_s(self) -> float:
        raise NotImplementedError

    def _attempt(self, payload: bytes, timeout_s: float) -> SendOutcome:
        raise NotImplementedError


class GrpcSender(_Retrying):
    """Calls the gRPC service of the alpha version of OTLP profiles."""

    def __init__(self) -> None:
        super().__init__()
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 may be absent

        self._exporter = OTLPSpanExporter()
        self._export = self._exporter._channel.unary_unary(_METHOD)

    @property
    def _timeout_s(self) -> float:
        return float(self._exporter._timeout)

    def _attempt(self, payload: bytes, timeout_s: float) -> SendOutcome:
        from grpc import RpcError, StatusCode  # noqa: PLC0415 likewise

        try:
            answer = self._export(payload, timeout=timeout_s, metadata=self._exporter._headers)
        except RpcError as raised:
            error: Any = raised  # of a call, which has a code
            code = error.code()
            detail = f"{code.name}: {error.details()}"
            if code is StatusCode.UNIMPLEMENTED:
                return SendOutcome(UNSUPPORTED, detail)
            return SendOutcome(FAILED, detail, again=code in self._exporter._retryable_error_codes)
        except ValueError as error:  # the channel was closed meanwhile
            return SendOutcome(FAILED, str(error))
        return _delivered(answer)


class HttpSender(_Retrying):
    """Posts to the path of the alpha version of OTLP profiles.

    Args:
        endpoint: The whole URL.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 likewise

        self._exporter = OTLPSpanExporter(endpoint)
        self._client: Any = self._exporter._client

    @property
    def _timeout_s(self) -> float:
        return float(self._client._timeout)

    def _attempt(self, payload: bytes, timeout_s: float) -> SendOutcome:
        result = self._client._submit(self._client._compress(payload), timeout_s)
        status = result.status_code
        if status is None:
            return SendOutcome(
                FAILED, str(result.error), again=self._client._transport.is_connection_error(result.error)
            )
        if status in _NO_SUCH_PATH:
            return SendOutcome(UNSUPPORTED, f"{status} {result.reason}")
        if status not in _TAKEN:
            return SendOutcome(FAILED, f"{status} {result.reason}", again=status in _TRY_AGAIN)
        return _delivered(result.content())


def _delivered(answer: bytes) -> SendOutcome:
    from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (  # noqa: PLC0415 as above
        ExportProfilesServiceResponse,
    )

    try:
        partial = ExportProfilesServiceResponse.FromString(answer).partial_success
    except Exception:  # noqa: BLE001 protobuf's own error; a proxy's page is no answer that rejects anything
        return SendOutcome()
    return SendOutcome(detail=partial.error_message, rejected=max(0, partial.rejected_profiles))
