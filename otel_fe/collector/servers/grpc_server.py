"""Chooses the server of OTLP over gRPC: libnghttp2's where it can be loaded, for two fifths of the CPU, or else grpcio's."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers import nghttp2
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.held_bytes import HeldBytes
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.otlp_grpc import OtlpGrpcServer
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import GrpcServerSettings

_log = logging.getLogger("otel_fe")
SWITCH: Final = "OTEL_FE_GRPC_SERVER"
"""`auto`, `nghttp2` or `grpcio`."""


def otlp_grpc_server(
    settings: GrpcServerSettings,
    endpoint: Endpoint,
    intake: Intake,
    tokens: Tokens | None,
    where: str,
    held: HeldBytes,
) -> OtlpGrpcServer:
    """Return the server of a receiver's `protocols::grpc`; see `Http2GrpcServer` for the arguments.

    Raises:
        ConfigurationError: A certificate cannot be used, or `OTEL_FE_GRPC_SERVER` asks for what there is not.
        MissingExtraError: There is neither library.
    """
    if _by_nghttp2():
        from otel_fe.collector.servers.http2_server import Http2GrpcServer  # noqa: PLC0415 only one of both is needed

        return Http2GrpcServer(settings, endpoint, intake, tokens, where, held)
    from otel_fe.collector.servers.grpcio_server import GrpcioServer  # noqa: PLC0415

    return GrpcioServer(settings, endpoint, intake, tokens, where)


def _by_nghttp2() -> bool:
    value = os.environ.get(SWITCH, "").strip().lower() or "auto"
    if value not in ("auto", "nghttp2", "grpcio"):
        raise ConfigurationError(SWITCH, value, "use auto, nghttp2 or grpcio")
    if value == "grpcio":
        return False
    problem = nghttp2.unusable()
    if problem and value == "nghttp2":
        raise ConfigurationError(SWITCH, value, f"use auto, or mend this: {problem}")
    if problem:
        _log.info(
            "receiving OTLP over gRPC by grpcio, which takes two to three times the CPU for a request: %s", problem
        )
    return not problem
