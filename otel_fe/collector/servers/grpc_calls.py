"""Calls of OTLP over gRPC: which are taken, and what is answered. Of them, each server does only the transport."""

from __future__ import annotations

import logging
import re
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_fe.collector.refusals import RefusedError
from otel_fe.collector.servers.statuses import (
    DEADLINE_EXCEEDED,
    INTERNAL,
    INVALID,
    UNAUTHENTICATED,
    Code,
    code_of,
    status,
)
from otel_fe.units import MIB
from otel_fe.wire.responses import response
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import GrpcServerSettings

_log = logging.getLogger("otel_fe")
_DEFAULT_BYTES: Final = 4 * MIB
_SIGNALS: Final = {f"/{described.service}/Export": signal for signal, described in SIGNALS.items()}
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S: Final = {b"H": 3_600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
STATUS_KEY: Final = "grpc-status-details-bin"
"""The metadata that holds `Refusal.details`."""


class Refusal(NamedTuple):
    """Why a call is not taken."""

    code: Code
    message: str
    details: bytes
    """An encoded `google.rpc.Status`, with `RetryInfo` if another try makes sense."""


class GrpcCalls:
    """Takes the calls of one receiver. Thread-safe.

    Args:
        settings: Of the receiver's `protocols::grpc`.
        intake: Takes the requests.
        tokens: Accepted tokens; None for no authentication.
    """

    def __init__(self, settings: GrpcServerSettings, intake: Intake, tokens: Tokens | None) -> None:
        self.intake = intake
        self.tokens = tokens
        self.most_bytes = settings.max_recv_msg_size_mib * MIB or _DEFAULT_BYTES
        """Of a message, unpacked or not."""

    def signal_of(self, method: str) -> str | None:
        """Return the signal that a method exports; None if there is no such method."""
        return _SIGNALS.get(method)

    def refusal_by_token(self, values_of: Callable[[str], Iterable[str | bytes]]) -> Refusal | None:
        """Refuse a call that has no valid token; None for any other.

        Args:
            values_of: Returns the values that the call has of a header, by its lower-case name.
        """
        tokens = self.tokens
        if tokens is not None and not any(map(tokens.accept, values_of(tokens.header))):
            self.intake.refuse("unauthenticated")
            return refusal(UNAUTHENTICATED, "send a valid bearer token")
        return None

    def refusal_by_load(self, signal: str) -> Refusal | None:
        """Refuse a call before its message is read, as `take` would afterwards; None to read on."""
        try:
            self.intake.check(signal)
        except RefusedError as error:
            return self.refused(error)
        return None

    def refused(self, error: RefusedError | WireError) -> Refusal:
        """Count a call that is refused before `take`; return the answer."""
        self.intake.refuse(error)
        return _refusal_of(error)

    def no_message(self) -> Refusal:
        """Count a call without a message, or with several; return the answer."""
        self.intake.refuse("invalid")
        return refusal(INVALID, "send one message")

    def too_late(self) -> Refusal:
        """Count a call whose client has stopped waiting; return the answer.

        Such a call is not processed: its client counts it as failed and sends it again, so its spans would arrive twice.
        """
        self.intake.refuse("deadline")
        return refusal(DEADLINE_EXCEEDED, "the deadline of this call has passed")

    def take(self, signal: str, message: bytes) -> bytes | Refusal:
        """Process an uncompressed message; return the encoded answer."""
        try:
            outcome = self.intake.take(signal, message)
            return response(signal, outcome) if outcome.rejected else b""  # as an answer without fields is encoded
        except (RefusedError, WireError) as error:
            return _refusal_of(error)
        except Exception:
            # Whatever it is, the sender must get an error of its protocol, and the server must continue.
            _log.exception("a request for %s failed", signal)
            return refusal(INTERNAL, "internal error")


def timeout_s(value: bytes | None) -> float:
    """Return how long the client of a call waits for the answer: infinite without a limit, or with one that cannot be read.

    Args:
        value: The header `grpc-timeout` (gRPC over HTTP/2, "Timeout"); None without it.
    """
    found = _TIMEOUT.fullmatch(value or b"")
    return int(found[1]) * _UNITS_S[found[2]] if found else inf


def refusal(code: Code, message: str, retry_s: float = 0.0) -> Refusal:
    """Return a refusal with its details."""
    return Refusal(code, message, status(code, message, retry_s))


def _refusal_of(error: RefusedError | WireError) -> Refusal:
    return refusal(code_of(error), str(error), error.retry_after_s if isinstance(error, RefusedError) else 0.0)
