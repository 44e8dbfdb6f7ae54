"""The options of a gRPC server, from the Collector's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.collector.servers.grpc_limits import CONNECTIONS, HANDSHAKE_S, IDLE_S, STREAMS
from otel_fe.collector.servers.open_files import most_connections

if TYPE_CHECKING:
    from otel_fe.config.receivers import GrpcServerSettings


def options_of(settings: GrpcServerSettings, most_bytes: int, *, shared: bool) -> list[tuple[str, int]]:
    """Return the options for the settings of a receiver."""
    keepalive = settings.keepalive
    times = {
        "grpc.max_connection_idle_ms": keepalive.max_connection_idle_ns,
        "grpc.max_connection_age_ms": keepalive.max_connection_age_ns,
        "grpc.max_connection_age_grace_ms": keepalive.max_connection_age_grace_ns,
        "grpc.keepalive_time_ms": keepalive.time_ns,
        "grpc.keepalive_timeout_ms": keepalive.timeout_ns,
        "grpc.http2.min_recv_ping_interval_without_data_ms": keepalive.min_time_ns,
    }
    options = [(name, max(1, value // 1_000_000)) for name, value in times.items() if value]
    streams = settings.max_concurrent_streams or STREAMS
    options.append(("grpc.max_concurrent_streams", min(streams, 2**31 - 1)))
    if not keepalive.max_connection_idle_ns:
        options.append(("grpc.max_connection_idle_ms", int(IDLE_S * 1_000)))
    if keepalive.permit_without_stream:
        options.append(("grpc.keepalive_permit_without_calls", 1))
    return [
        *options,
        ("grpc.max_receive_message_length", most_bytes),
        ("grpc.max_allowed_incoming_connections", most_connections(CONNECTIONS)),
        ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_S * 1_000)),
        ("grpc.so_reuseport", int(shared)),
        # Messages come as they were sent: see `bodies.unpacked_message`.
        ("grpc.per_message_decompression", 0),
    ]
