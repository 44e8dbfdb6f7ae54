"""Responses to export requests, as a receiver writes and a sender reads them."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_REASONS: Final[Mapping[str, int]] = MappingProxyType({})


class ExportOutcome(NamedTuple):
    """The outcome of an export that was answered with success."""

    rejected: int = 0
    """Spans, data points or log records that were not taken."""
    message: str = ""
    """Why; or a warning, where all were taken."""
    reasons: Mapping[str, int] = _NO_REASONS
    """The rejected ones, by reason; empty for a response that was read."""


def response(signal: str, outcome: ExportOutcome = ExportOutcome(), *, as_json: bool = False) -> bytes:  # noqa: B008 it is frozen
    """Return an encoded answer.

    Args:
        signal: `traces`, `metrics` or `logs`.
        outcome: Full success by default: the answer then has no `partial_success`.
        as_json: In OTLP's JSON rather than in protobuf.
    """
    found = SIGNALS[signal]
    answer = found.response()
    if outcome.rejected or outcome.message:
        setattr(answer.partial_success, found.rejected, outcome.rejected)
        answer.partial_success.error_message = outcome.message.encode("utf-8", "replace").decode()
    if as_json:
        from google.protobuf import json_format  # noqa: PLC0415 it takes memory that gRPC does without

        return json.dumps(json_format.MessageToDict(answer), separators=(",", ":")).encode()
    return bytes(answer.SerializeToString())


def read_response(signal: str, payload: bytes, *, as_json: bool = False) -> ExportOutcome:
    """Parse an answer.

    Raises:
        WireError: The bytes are no answer.
    """
    found = SIGNALS[signal]
    try:
        answer = _from_json(payload, found.response()) if as_json else found.response.FromString(payload)
    except (DecodeError, RecursionError, ValueError) as error:
        raise WireError(f"no answer to an export of {signal}: {error}") from None
    partial = answer.partial_success
    return ExportOutcome(int(getattr(partial, found.rejected)), str(partial.error_message))


def _from_json(payload: bytes, answer: Any) -> Any:
    from google.protobuf import json_format  # noqa: PLC0415 as above

    try:
        return json_format.Parse(payload.decode() or "{}", answer, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from None
