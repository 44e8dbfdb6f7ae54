"""Counts what gRPC clients may do only so often, pings and cancelled calls: both cost the server more than the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.collector.servers.grpc_limits import GrpcLimits

_EARLY_PINGS: Final = 2
"""Pings that may come too early, as gRPC allows."""
_IDLE_PING_S: Final = 7_200.0
_GRANTED_BYTES: Final = 1 << 16
"""Of messages that are still coming: a client that has sent so many more since its last ping gets windows for others."""
_CANCELLED: Final = 1_000
"""Calls that may be cancelled in a row …"""
_CANCELLED_A_SECOND: Final = 33.0
"""… and over time, as libnghttp2 has it since version 1.57 (CVE-2023-44487)."""
_LONG_AGO_S: Final = -1e9


class ClientConduct:
    """Counts pings and cancelled calls of one connection.

    Args:
        limits: How often it may ping.
        now_s: Monotonic time, as everywhere here.
    """

    def __init__(self, limits: GrpcLimits, now_s: float) -> None:
        self.complaint = b""
        """Names the client's fault, for the message that ends its connection; empty if there is none."""
        self._limits = limits
        self._pinged_s = _LONG_AGO_S
        self._early_pings = 0
        self._held_bytes = 0
        """At the last ping."""
        self._may_cancel = float(_CANCELLED)
        self._cancelled_s = now_s

    def pinged(self, now_s: float, held_bytes: int, *, idle: bool) -> None:
        """Count a ping.

        Args:
            now_s: When it came.
            held_bytes: Received of messages that are not complete.
            idle: Whether no call is in progress.
        """
        if held_bytes - self._held_bytes >= _GRANTED_BYTES:
            self.answered()
        self._held_bytes = held_bytes
        least_s = self._limits.client_ping_s
        if idle and not self._limits.client_pings_idle:
            least_s = max(least_s, _IDLE_PING_S)
        if now_s - self._pinged_s < least_s:
            self._early_pings += 1
            if self._early_pings > _EARLY_PINGS:
                self.complaint = b"too_many_pings"
        self._pinged_s = now_s

    def answered(self) -> None:
        """Note that a call was answered or refused, or its client granted a window: gRPC limits pings between two of these only."""
        self._pinged_s, self._early_pings = _LONG_AGO_S, 0

    def cancelled(self, now_s: float) -> None:
        """Count a call that was cancelled before its answer."""
        gained = (now_s - self._cancelled_s) * _CANCELLED_A_SECOND
        self._may_cancel = min(_CANCELLED, self._may_cancel + gained) - 1
        self._cancelled_s = now_s
        if self._may_cancel < 0:
            self.complaint = b"too many calls are cancelled"
