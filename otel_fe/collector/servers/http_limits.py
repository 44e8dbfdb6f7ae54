"""Deadlines for each stage of an HTTP request, and limits on the number of clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Deadlines in seconds, each for the whole of its stage: one byte now and then extends none.

    The names of the configuration's keys are the Collector's, which are those of Go's `net/http`.
    """

    handshake_s: float = 10.0
    """For a TLS handshake."""
    header_s: float = 10.0
    """For a request's head, from its first byte; for the first request, from the connection's begin (`read_header_timeout`)."""
    read_s: float = 60.0
    """For a whole request, head and body, from its first byte (`read_timeout`)."""
    write_s: float = 30.0
    """For a whole response (`write_timeout`)."""
    idle_s: float = 900.0
    """For the next request (`idle_timeout`)."""
    most_connections: int = 1_000
    """Past it, each new one takes the place of another: see `connections`."""
