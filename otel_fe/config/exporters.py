"""Exporters of the Collector v0.160 that otel_fe has, with their keys and defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from otel_fe.config import kinds
from otel_fe.config.reading import Fields, Key, Place, Section, Unsupported
from otel_fe.config.sending import RETRY, SENDING_QUEUE, Retry, SendingQueue, check_durable
from otel_fe.config.transport import AUTH, GRPC_CLIENT_TLS, HTTP_CLIENT_TLS, ClientTls, headers
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.identifiers import ComponentId


@dataclass(frozen=True, slots=True)
class GrpcClientKeepalive:
    """Pings on a silent connection."""

    time_ns: int = 0
    """Silence after which the client pings; 0 for gRPC's own default, as `timeout_ns`."""
    timeout_ns: int = 0
    permit_without_stream: bool = False


@dataclass(frozen=True, slots=True)
class OtlpGrpc:
    """Sends OTLP over gRPC."""

    endpoint: str
    """`host:port`, perhaps with a scheme: `https://` means TLS, `http://` decides nothing, others are gRPC's."""
    tls: ClientTls = field(default_factory=ClientTls)
    auth: ComponentId | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: str = "gzip"
    """`gzip` or `none`."""
    timeout_ns: int = 5 * NS_PER_S
    """For each try; 0 for no limit."""
    keepalive: GrpcClientKeepalive | None = None
    wait_for_ready: bool = False
    user_agent: str = ""
    balancer_name: str = "round_robin"
    authority: str = ""
    sending_queue: SendingQueue | None = field(default_factory=SendingQueue)
    """None to send without a queue."""
    retry_on_failure: Retry | None = field(default_factory=Retry)
    """None to try only once."""


@dataclass(frozen=True, slots=True)
class OtlpHttp:
    """Sends OTLP over HTTP, as protobuf."""

    endpoint: str = ""
    """A URL, to which `/v1/traces` and the like are added; empty where each signal that is sent has its own."""
    traces_endpoint: str = ""
    """A whole URL, instead of `endpoint`."""
    metrics_endpoint: str = ""
    logs_endpoint: str = ""
    profiles_endpoint: str = ""
    tls: ClientTls = field(default_factory=ClientTls)
    auth: ComponentId | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: str = "gzip"
    """`gzip` or `none`."""
    timeout_ns: int = 30 * NS_PER_S
    """For each try; 0 for no limit."""
    proxy_url: str = ""
    sending_queue: SendingQueue | None = field(default_factory=SendingQueue)
    retry_on_failure: Retry | None = field(default_factory=Retry)


@dataclass(frozen=True, slots=True)
class Debug:
    """Writes what it gets to the log."""

    verbosity: str = "basic"
    """`basic`, `normal` or `detailed`."""
    sampling_initial: int = 2
    """Messages a second that are all written."""
    sampling_thereafter: int = 1
    """Beyond those, every so many-th is printed."""
    sending_queue: SendingQueue | None = None


@dataclass(frozen=True, slots=True)
class Nop:
    """Drops what it gets."""


def _target(place: Place) -> str:
    """Read what a gRPC client may dial: it ends with a port, unless it is a socket."""
    endpoint = kinds.text(place)
    bare = endpoint.split("://", 1)[-1].rsplit("/", 1)[-1]
    if endpoint.startswith("unix:"):
        place.refuse("Unix sockets exist in the Collector but are not supported here; use host:port")
    host, colon, port = bare.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or ("[" not in host and ":" in host):
        place.refuse("use host:port, for example localhost:4317")
    return endpoint


def _url(place: Place) -> str:
    url = kinds.text(place)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    return url if usable else place.refuse("use a URL, for example http://localhost:4318")


def _compression(place: Place) -> str:
    return _COMPRESSION(place) if kinds.string(place) else "none"


def _check_http(fields: Fields) -> None:
    check_durable(fields)
    if not any(key.endswith("endpoint") for key in fields.places):
        fields.section.problem("give an endpoint, for example http://localhost:4318", value=False)


_COMPRESSION: Final = kinds.choice(
    "gzip", "none", unsupported=("zlib", "deflate", "snappy", "x-snappy-framed", "zstd", "lz4")
)
_CLIENT: Final[dict[str, Key | Unsupported]] = {
    "compression": Key(_compression),
    "timeout": Key(kinds.duration(), "timeout_ns"),
    "headers": Key(headers),
    "auth": Key(kinds.optional(AUTH)),
    "read_buffer_size": Unsupported(),
    "write_buffer_size": Unsupported(),
    "middlewares": Unsupported(),
    "sending_queue": Key(SENDING_QUEUE),
    "retry_on_failure": Key(RETRY),
}
_KEEPALIVE: Final = Section(
    GrpcClientKeepalive,
    {
        "time": Key(kinds.duration(), "time_ns"),
        "timeout": Key(kinds.duration(), "timeout_ns"),
        "permit_without_stream": Key(kinds.boolean),
    },
)
OTLP_GRPC: Final[Section[OtlpGrpc]] = Section(
    OtlpGrpc,
    {
        **_CLIENT,
        "endpoint": Key(_target, required="give an endpoint, for example localhost:4317"),
        "tls": Key(GRPC_CLIENT_TLS),
        "keepalive": Key(kinds.optional(_KEEPALIVE)),
        "wait_for_ready": Key(kinds.boolean),
        "user_agent": Key(kinds.string),
        "balancer_name": Key(kinds.choice("round_robin", "pick_first")),
        "authority": Key(kinds.string),
    },
    check_durable,
)
"""The keys of the exporter `otlp_grpc`, formerly `otlp`."""

OTLP_HTTP: Final[Section[OtlpHttp]] = Section(
    OtlpHttp,
    {
        **_CLIENT,
        "endpoint": Key(_url),
        "traces_endpoint": Key(_url),
        "metrics_endpoint": Key(_url),
        "logs_endpoint": Key(_url),
        "profiles_endpoint": Key(_url),
        "encoding": Key(kinds.choice("proto", unsupported=("json",)), field=None),
        "tls": Key(HTTP_CLIENT_TLS),
        "proxy_url": Key(_url),
        **dict.fromkeys(
            (
                "compression_params",
                "cookies",
                "disable_keep_alives",
                "force_attempt_http2",
                "http2_ping_timeout",
                "http2_read_idle_timeout",
                "idle_conn_timeout",
                "keepalive",
                "max_conns_per_host",
                "max_idle_conns",
                "max_idle_conns_per_host",
            ),
            Unsupported(),
        ),
    },
    _check_http,
)
"""The keys of the exporter `otlp_http`, formerly `otlphttp`."""

DEBUG: Final[Section[Debug]] = Section(
    Debug,
    {
        "verbosity": Key(kinds.choice("basic", "normal", "detailed", any_case=True)),
        "sampling_initial": Key(kinds.integer()),
        "sampling_thereafter": Key(kinds.integer()),
        "use_internal_logger": Unsupported("it writes to the log"),
        "output_paths": Unsupported("it writes to the log"),
        "sending_queue": Key(SENDING_QUEUE, null_is_empty=True),
    },
)
"""The keys of the exporter `debug`."""

NOP: Final[Section[Nop]] = Section(Nop, {})
"""The exporter `nop` has no keys."""
