"""Receivers of the Collector v0.160 that otel_fe has, with their keys and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.reading import Fields, Key, Section, Unsupported
from otel_fe.config.transport import AUTH, GRPC_SERVER_TLS, HTTP_SERVER_TLS, ServerTls, headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.identifiers import ComponentId


@dataclass(frozen=True, slots=True)
class GrpcKeepalive:
    """Limits on the age and silence of connections; 0 for gRPC's own default."""

    max_connection_idle_ns: int = 0
    max_connection_age_ns: int = 0
    max_connection_age_grace_ns: int = 0
    time_ns: int = 0
    """Silence after which the server pings."""
    timeout_ns: int = 0
    """Wait for the answer to a ping."""
    min_time_ns: int = 0
    """The shortest time that a client has to leave between pings."""
    permit_without_stream: bool = False


@dataclass(frozen=True, slots=True)
class GrpcServerSettings:
    """An OTLP/gRPC server."""

    endpoint: str = "localhost:4317"
    tls: ServerTls | None = None
    auth: ComponentId | None = None
    """The extension that authenticates senders."""
    max_recv_msg_size_mib: int = 0
    """The largest request; 0 for gRPC's 4 MiB."""
    max_concurrent_streams: int = 0
    """Per connection; 0 for 128."""
    keepalive: GrpcKeepalive = field(default_factory=GrpcKeepalive)
    include_metadata: bool = False


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages of other origins may send from a browser."""

    allowed_origins: tuple[str, ...] = ()
    """With `*` as a wildcard."""
    allowed_headers: tuple[str, ...] = ()
    exposed_headers: tuple[str, ...] = ()
    max_age_s: int = 0
    """Seconds for which a browser may cache the response; 0 for its own default."""


@dataclass(frozen=True, slots=True)
class HttpServerSettings:
    """An OTLP/HTTP server."""

    endpoint: str = "localhost:4318"
    tls: ServerTls | None = None
    auth: ComponentId | None = None
    cors: Cors | None = None
    max_request_body_bytes: int = 20 * 1024 * 1024
    include_metadata: bool = False
    response_headers: Mapping[str, str] = field(default_factory=dict)
    read_header_timeout_ns: int = 0
    """For a request's head, from its first byte; 0 for 10 s."""
    read_timeout_ns: int = 0
    """For a whole request, from its first byte; 0 for 60 s."""
    write_timeout_ns: int = 0
    """For a whole response; 0 for 30 s."""
    idle_timeout_ns: int = 0
    """For the next request on a connection; 0 for 15 min."""
    traces_url_path: str = "/v1/traces"
    metrics_url_path: str = "/v1/metrics"
    logs_url_path: str = "/v1/logs"


@dataclass(frozen=True, slots=True)
class OtlpReceiver:
    """Receives OTLP, by at least one protocol."""

    grpc: GrpcServerSettings | None = None
    http: HttpServerSettings | None = None


def _path(place: Any) -> str:
    path = kinds.text(place)
    return path if path.startswith("/") else f"/{path}"


def _grpc_keepalive(
    server_parameters: dict[str, Any] | None = None, enforcement_policy: dict[str, Any] | None = None
) -> GrpcKeepalive:
    return GrpcKeepalive(**(server_parameters or {}), **(enforcement_policy or {}))


def _grpc_server(keepalive: GrpcKeepalive | None = None, **fields: Any) -> GrpcServerSettings:
    return GrpcServerSettings(keepalive=keepalive or GrpcKeepalive(), **fields)


def _http_server(
    keepalive: dict[str, Any] | None = None, max_request_body_bytes: int = 0, **fields: Any
) -> HttpServerSettings:
    # As in the Collector, 0 means the default.
    if max_request_body_bytes:
        fields["max_request_body_bytes"] = max_request_body_bytes
    return HttpServerSettings(**fields | (keepalive or {}))


def _receiver(protocols: dict[str, Any]) -> OtlpReceiver:
    return OtlpReceiver(**protocols)


def _check_protocols(fields: Fields) -> None:
    if not {"grpc", "http"} & fields.places.keys():
        fields.section.problem("give grpc, http or both", value=False)


def _durations(*names: str) -> dict[str, Key]:
    return {name: Key(kinds.duration(), f"{name}_ns") for name in names}


_ADDRESS: Final[dict[str, Key | Unsupported]] = {
    "endpoint": Key(kinds.text),
    "transport": Key(kinds.choice("tcp", "tcp4", "tcp6", unsupported=("unix", "npipe")), field=None),
    "dialer": Unsupported("it is for clients"),
    "auth": Key(kinds.optional(AUTH)),
    "include_metadata": Key(kinds.boolean),
    "middlewares": Unsupported(),
}
_PARAMETERS: Final = _durations(
    "max_connection_idle", "max_connection_age", "max_connection_age_grace", "time", "timeout"
)
_ENFORCEMENT: Final = {**_durations("min_time"), "permit_without_stream": Key(kinds.boolean)}
_GRPC: Final = Section(
    _grpc_server,
    {
        **_ADDRESS,
        "tls": Key(kinds.optional(GRPC_SERVER_TLS)),
        "max_recv_msg_size_mib": Key(kinds.integer()),
        "max_concurrent_streams": Key(kinds.integer(0, 2**32 - 1)),
        "read_buffer_size": Unsupported(),
        "write_buffer_size": Unsupported(),
        "keepalive": Key(
            kinds.optional(
                Section(
                    _grpc_keepalive,
                    {
                        "server_parameters": Key(kinds.optional(Section(dict[str, Any], _PARAMETERS))),
                        "enforcement_policy": Key(kinds.optional(Section(dict[str, Any], _ENFORCEMENT))),
                    },
                )
            )
        ),
    },
)
_CORS: Final = Section(
    Cors,
    {
        "allowed_origins": Key(kinds.strings()),
        "allowed_headers": Key(kinds.strings()),
        "exposed_headers": Key(kinds.strings()),
        "max_age": Key(kinds.integer(), "max_age_s"),
    },
)
_HTTP: Final = Section(
    _http_server,
    {
        **_ADDRESS,
        "tls": Key(kinds.optional(HTTP_SERVER_TLS)),
        "cors": Key(kinds.optional(_CORS)),
        "max_request_body_size": Key(kinds.integer(), "max_request_body_bytes"),
        "response_headers": Key(headers),
        "compression_algorithms": Unsupported("requests may come plain or with gzip"),
        **_durations("read_header_timeout", "read_timeout", "write_timeout", "idle_timeout"),
        "keepalive": Key(kinds.optional(Section(dict[str, Any], _durations("idle_timeout")))),
        "keep_alives_enabled": Unsupported(),
        "traces_url_path": Key(_path),
        "metrics_url_path": Key(_path),
        "logs_url_path": Key(_path),
    },
)
OTLP: Final[Section[OtlpReceiver]] = Section(
    _receiver,
    {
        "protocols": Key(
            Section(
                dict[str, Any],
                {
                    "grpc": Key(kinds.optional(_GRPC), null_is_empty=True),
                    "http": Key(kinds.optional(_HTTP), null_is_empty=True),
                },
                _check_protocols,
            ),
            required="give protocols, with grpc, http or both",
        )
    },
)
"""The keys of the receiver `otlp`."""
