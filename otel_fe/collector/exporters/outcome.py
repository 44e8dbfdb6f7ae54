"""The outcome of one attempt to send, and the interface of transports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from otel_fe.redaction import redact_text


@dataclass(frozen=True, slots=True)
class Delivered:
    """The backend has answered that it took the request."""

    rejected: int = 0
    """Items that it rejected nevertheless (`partial_success`); they must not be sent again."""
    message: str = ""
    """The backend's message about the rejected items."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The request was not taken."""

    why: str
    """Reason for the log, without values of the application's or headers."""
    may_pass: bool
    """Whether another try can succeed."""
    after_ns: int = 0
    """The wait that the backend requests before that; 0 where it does not."""
    divisible: bool = False
    """Whether the backend may take a part of it: it says that the request is malformed, or too large."""


class Transport(Protocol):
    """Sends a request to one backend, once. Any number of threads may send at a time."""

    def start(self) -> None:
        """Start, without waiting for the backend.

        Raises:
            ConfigurationError: A file that the configuration names cannot be used.
        """
        ...

    def send(self, signal: str, data: bytes) -> Delivered | Failed:
        """Send one serialized `Export…ServiceRequest`, and wait for the answer for at most the configured timeout."""
        ...

    def close(self) -> None:
        """Close the connections; requests in progress fail, where that is possible."""
        ...


def brief(text: object) -> str:
    """Return a foreign message as one line that is short enough for a log, and holds no credentials of a URL."""
    line = redact_text(" ".join(str(text).split()))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


_LONGEST = 200
