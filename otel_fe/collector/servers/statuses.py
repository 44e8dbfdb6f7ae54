"""`google.rpc.Status`, OTLP's error message over gRPC and HTTP."""

from __future__ import annotations

from typing import Final, NamedTuple

from google.protobuf.any_pb2 import Any as AnyProto
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import RetryInfo

from otel_fe.collector.refusals import (
    BackendError,
    EncodingError,
    NoPipelineError,
    PressureError,
    RefusedError,
    StoppingError,
    TooLargeError,
    TooManyValuesError,
)
from otel_fe.wire.wire_error import WireError


class Code(NamedTuple):
    """The names of a refusal's status."""

    grpc: int
    """A code of `google.rpc.Code`."""
    http: int


INVALID: Final = Code(3, 400)
INTERNAL: Final = Code(13, 500)
UNAUTHENTICATED: Final = Code(16, 401)
DEADLINE_EXCEEDED: Final = Code(4, 504)
_CODES: Final[dict[type[RefusedError], Code]] = {
    PressureError: Code(14, 503),
    StoppingError: Code(14, 503),
    TooLargeError: Code(8, 413),
    TooManyValuesError: Code(8, 413),
    NoPipelineError: Code(12, 404),
    EncodingError: Code(12, 415),
    BackendError: INTERNAL,
}


def code_of(error: Exception) -> Code:
    """Return what an error is called."""
    if isinstance(error, WireError):
        return INVALID
    return _CODES.get(type(error), INTERNAL) if isinstance(error, RefusedError) else INTERNAL


def status(code: Code, message: str, retry_after_s: float = 0.0) -> bytes:
    """Return an encoded status; with `RetryInfo` where another try makes sense."""
    return bytes(_status(code, message, retry_after_s).SerializeToString())


def status_json(code: Code, message: str, retry_after_s: float = 0.0) -> bytes:
    """Return the same in JSON."""
    from google.protobuf import json_format  # noqa: PLC0415 it takes memory that gRPC does without

    return str(json_format.MessageToJson(_status(code, message, retry_after_s), indent=None)).encode()


def _status(code: Code, message: str, retry_after_s: float) -> status_pb2.Status:
    found = status_pb2.Status(code=code.grpc, message=message.encode("utf-8", "replace").decode())
    if retry_after_s:
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(int(retry_after_s * 1e9))
        detail = AnyProto()
        detail.Pack(retry)
        found.details.append(detail)
    return found
