"""Times and numbers that bound gRPC's connections and calls, from the Collector's keys."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.config.receivers import GrpcServerSettings

STREAMS: Final = 128
"""Calls in progress on one connection, by default: HTTP/2 recommends at least 100; nginx has 128."""
CONNECTIONS: Final = 1_000
HANDSHAKE_S: Final = 10.0
"""For TLS and HTTP/2's preface; gRPC's own is two minutes."""
IDLE_S: Final = 900.0
"""A connection without a call is closed after this, as over HTTP; gRPC clients reconnect automatically."""
READ_S: Final = 60.0
"""For the message of a call, from its begin: as over HTTP."""
_MOST_STREAMS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class GrpcLimits:
    """The bounds of one server. The defaults that are not above are gRPC's."""

    streams: int = STREAMS
    """Per connection."""
    connections: int = CONNECTIONS
    """Past it, each new one takes the place of another: see `connections`."""
    handshake_s: float = HANDSHAKE_S
    read_s: float = READ_S
    write_s: float = 30.0
    """For the other side to take what is sent."""
    idle_s: float = IDLE_S
    age_s: float = inf
    """After it, a connection takes no new calls; clients open another."""
    age_grace_s: float = inf
    """For the calls in progress then."""
    ping_s: float = 7_200.0
    """Silence after which the server pings."""
    ping_timeout_s: float = 20.0
    client_ping_s: float = 300.0
    """The shortest time that a client has to leave between pings."""
    client_pings_idle: bool = False
    """Whether it may ping without a call in progress; otherwise every two hours."""


def limits_of(settings: GrpcServerSettings) -> GrpcLimits:
    """Return the limits for the settings of a receiver; 0 there means the default."""
    keepalive, default = settings.keepalive, GrpcLimits()
    return GrpcLimits(
        streams=min(settings.max_concurrent_streams or STREAMS, _MOST_STREAMS),
        idle_s=keepalive.max_connection_idle_ns / 1e9 or default.idle_s,
        age_s=keepalive.max_connection_age_ns / 1e9 or default.age_s,
        age_grace_s=keepalive.max_connection_age_grace_ns / 1e9 or default.age_grace_s,
        ping_s=keepalive.time_ns / 1e9 or default.ping_s,
        ping_timeout_s=keepalive.timeout_ns / 1e9 or default.ping_timeout_s,
        client_ping_s=keepalive.min_time_ns / 1e9 or default.client_ping_s,
        client_pings_idle=keepalive.permit_without_stream,
    )
