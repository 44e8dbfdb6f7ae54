"""OTLP over gRPC, as receivers see it; `grpc_server` chooses what is below."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from otel_fe.collector.servers.grpc_calls import GrpcCalls
    from otel_fe.collector.servers.tokens import Tokens


class OtlpGrpcServer(ABC):
    """Listens for OTLP/gRPC.

    Args:
        calls: Takes the calls.
    """

    def __init__(self, calls: GrpcCalls) -> None:
        self._calls = calls
        self.port = 0

    @property
    def tokens(self) -> Tokens | None:
        """The accepted tokens; None for no authentication."""
        return self._calls.tokens

    @tokens.setter
    def tokens(self, tokens: Tokens | None) -> None:
        """Accept others from now on."""
        self._calls.tokens = tokens

    @abstractmethod
    def start(self, *, shared: bool = False) -> None:
        """Start listening; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """

    @abstractmethod
    def stop(self, grace_s: float) -> threading.Event:
        """Stop accepting requests; those in progress have `grace_s`. Return an event that is set at their end."""
