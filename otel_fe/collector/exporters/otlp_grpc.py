"""OTLP over gRPC: requests are sent as bytes, without decoding them."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import grpc

from otel_fe.collector.exporters.outcome import Delivered, Failed, brief
from otel_fe.collector.exporters.partial_success import read_protobuf, service
from otel_fe.collector.exporters.proxies import proxy_of
from otel_fe.collector.exporters.tls import pem
from otel_fe.collector.exporters.user_agent import USER_AGENT
from otel_fe.config.identifiers import SIGNALS
from otel_fe.errors import ConfigurationError
from otel_fe.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.collector.exporters.bearer import Bearer
    from otel_fe.config.exporters import OtlpGrpc

_COMPRESSION: Final = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
_MAY_PASS: Final = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
"""The codes after which OTLP allows another try; RESOURCE_EXHAUSTED is one only together with RetryInfo."""
_DIVISIBLE: Final = frozenset({"INVALID_ARGUMENT", "INTERNAL"})
"""The codes of gRPC servers for a message that they cannot parse; INVALID_ARGUMENT is the specification's, INTERNAL gRPC's own."""
_LEAST_KEEPALIVE_MS: Final = 10_000
_RECONNECT_MS: Final = 5_000
"""gRPC would wait up to two minutes before it reconnects, and attempts would fail although the backend is back."""


class GrpcTransport:
    """Sends to one gRPC target.

    Args:
        settings: The exporter's.
        bearer: The authenticator that `auth` names; None without it.
        name: The component's id, for messages.
    """

    def __init__(self, settings: OtlpGrpc, bearer: Bearer | None, name: str) -> None:
        self._settings = settings
        self._bearer = bearer
        self._name = name
        self._channel: Any = None
        self._calls: dict[str, Any] = {}
        self._timeout_s = settings.timeout_ns / 1e9 or None
        self._metadata = tuple(
            (key.lower(), value.encode() if key.lower().endswith("-bin") else value)
            for key, value in settings.headers.items()
        )

    def start(self) -> None:
        """Create the channel; it connects on its own."""
        settings = self._settings
        if settings.compression not in _COMPRESSION:
            wanted = "use gzip or none: gRPC for Python has no other"
            raise ConfigurationError(f"{self._name}: compression", settings.compression, wanted)
        target = self._target()
        credentials = self._credentials()
        options = self._options()
        self._channel = (
            grpc.insecure_channel(target, options=options)
            if credentials is None
            else grpc.secure_channel(target, credentials, options=options)
        )
        self._calls = {signal: self._channel.unary_unary(f"/{service(signal)}/Export") for signal in SIGNALS}

    def send(self, signal: str, data: bytes) -> Delivered | Failed:
        """Call the service once."""
        metadata = self._metadata
        if self._bearer is not None:
            token = self._bearer.value()
            if not token:
                return Failed("there is no token to send yet", may_pass=True)
            metadata = (*metadata, (self._bearer.header.lower(), token))
        try:
            answer = self._calls[signal](
                data,
                timeout=self._timeout_s,
                metadata=metadata,
                wait_for_ready=self._settings.wait_for_ready,
                compression=_COMPRESSION[self._settings.compression],
            )
        except grpc.RpcError as error:
            return _failure(error)
        except ValueError as error:  # the channel was closed
            return Failed(brief(error), may_pass=True)
        return read_protobuf(signal, answer)

    def close(self) -> None:
        """Close the channel, which cancels requests in progress."""
        if self._channel is not None:
            self._channel.close()

    def _target(self) -> str:
        """Return what to dial. `passthrough` is Go's resolver that leaves names to the dialer, as gRPC for Python does anyway."""
        target = self._settings.endpoint
        for prefix in ("http://", "https://", "passthrough:///", "passthrough:"):
            target = target.removeprefix(prefix)
        return target

    def _credentials(self) -> Any:
        """Return TLS credentials, or None for none: the Collector's rule, by which `insecure` yields to a CA and to `https://`."""
        tls = self._settings.tls
        where = self._name
        plain = tls.insecure and not (tls.ca_file or tls.ca_pem)
        if plain and not self._settings.endpoint.startswith("https://"):
            if self._bearer is not None:
                wanted = "use TLS: a token is not sent in the clear"
                raise ConfigurationError(f"{where}: tls::insecure", value=True, wanted=wanted)
            return None
        if plain:
            return grpc.ssl_channel_credentials()
        return grpc.ssl_channel_credentials(
            root_certificates=pem("ca", tls.ca_file, tls.ca_pem, where),
            private_key=pem("key", tls.key_file, tls.key_pem, where),
            certificate_chain=pem("cert", tls.cert_file, tls.cert_pem, where),
        )

    def _options(self) -> Sequence[tuple[str, object]]:
        settings = self._settings
        options: dict[str, object] = {
            "grpc.enable_retries": 0,  # `retry_on_failure` decides
            "grpc.max_send_message_length": -1,
            "grpc.max_reconnect_backoff_ms": _RECONNECT_MS,
            "grpc.lb_policy_name": settings.balancer_name,
            "grpc.primary_user_agent": settings.user_agent or USER_AGENT,
        }
        if settings.authority:
            options["grpc.default_authority"] = settings.authority
        if settings.tls.server_name_override:
            options["grpc.ssl_target_name_override"] = settings.tls.server_name_override
        # gRPC would read the environment by different rules: through the proxy also to loopback.
        proxy = proxy_of(f"https://{self._target().rpartition('/')[2]}", os.environ)
        options |= {"grpc.http_proxy": proxy} if proxy else {"grpc.enable_http_proxy": 0}
        if settings.keepalive is not None:
            options["grpc.http2.max_pings_without_data"] = 0  # or it stops after two, which Go's does not
            if settings.keepalive.time_ns:
                # Go's gRPC raises what is less to this as well; servers hang up on clients that ping more often.
                options["grpc.keepalive_time_ms"] = max(settings.keepalive.time_ns // NS_PER_MS, _LEAST_KEEPALIVE_MS)
            if settings.keepalive.timeout_ns:
                options["grpc.keepalive_timeout_ms"] = max(settings.keepalive.timeout_ns // NS_PER_MS, 1)
            options["grpc.keepalive_permit_without_calls"] = int(settings.keepalive.permit_without_stream)
        return tuple(options.items())


def _failure(error: Any) -> Failed:
    code = error.code().name
    asked_ns = _asked_ns(error)
    may_pass = code in _MAY_PASS or (code == "RESOURCE_EXHAUSTED" and asked_ns is not None)
    too_large = code == "RESOURCE_EXHAUSTED" and "larger than max" in str(error.details())
    divisible = not may_pass and (code in _DIVISIBLE or too_large)
    return Failed(f"{code}: {brief(error.details())}", may_pass, asked_ns or 0, divisible)


def _asked_ns(error: Any) -> int | None:
    """Return the wait in the server's RetryInfo; None without one."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if not details:
        return None
    status: Any = import_module("google.rpc.status_pb2").Status()
    info: Any = import_module("google.rpc.error_details_pb2").RetryInfo()
    try:
        status.ParseFromString(details)
        for detail in status.details:
            if detail.Unpack(info):
                return max(int(info.retry_delay.ToNanoseconds()), 0)
    except Exception:  # what cannot be read says nothing; protobuf's error class depends on its implementation
        return None
    return None
