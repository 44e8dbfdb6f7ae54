"""The errors for refused requests; each server turns them into status codes of its protocol.

    RefusedError
    ├── PressureError        no room now: the same request can succeed later         UNAVAILABLE + RetryInfo    503
    ├── StoppingError        this process shuts down; another one will accept it     UNAVAILABLE + RetryInfo    503
    ├── TooLargeError        larger than the limit                                   RESOURCE_EXHAUSTED         413
    ├── TooManyValuesError   JSON that would take too long to read                   RESOURCE_EXHAUSTED         413
    ├── NoPipelineError      no pipeline of this receiver accepts the signal         UNIMPLEMENTED              404
    ├── EncodingError        unsupported compression or content type                 UNIMPLEMENTED              415
    └── BackendError         a backend without a queue in front refused it for good  INTERNAL                   500

Pressure is UNAVAILABLE and 503, as in the Collector, and not RESOURCE_EXHAUSTED and 429, which the specification allows as well:
OpenTelemetry's SDK for Python before 1.45 does not retry after 429.

A request that cannot be read is a `WireError`: INVALID_ARGUMENT, 400.
"""

from __future__ import annotations

from typing import Final

from otel_fe.errors import OtelFeError


class RefusedError(OtelFeError):
    """A request that is refused.

    Attributes:
        retry_after_s: After how long the sender may try again; 0 where it must not.
        reason: One word, for counters.
    """

    reason = "refused"
    retry_after_s = 0.0


class PressureError(RefusedError):
    """Refusal because there is no room now.

    Args:
        reason: One word, for counters: `memory`, `queue_full`, `storage_full`, `unreachable`, `num_traces`, `busy`, `worker`.
        why: For the sender.
        retry_after_s: After how long there may be room.
    """

    def __init__(self, reason: str, why: str, retry_after_s: float = 1.0) -> None:
        super().__init__(f"{why}; try again in {retry_after_s:g} s")
        self.reason = reason
        self.retry_after_s = retry_after_s


class StoppingError(RefusedError):
    """The process is about to end."""

    reason = "stopping"

    def __init__(self, retry_after_s: float = 1.0) -> None:
        super().__init__(f"shutting down; try again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class TooLargeError(RefusedError):
    """Refusal because the request is larger than this receiver's limit, compressed or not."""

    reason = "too_large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"the request is larger than {most_bytes} bytes; send smaller batches")


class TooManyValuesError(RefusedError):
    """A JSON body with more objects or values than are read at once."""

    reason = "too_large"


class NoPipelineError(RefusedError):
    """No pipeline takes this signal from this receiver."""

    reason = "no_pipeline"

    def __init__(self, signal: str) -> None:
        super().__init__(f"no pipeline of this receiver accepts {signal}")


class EncodingError(RefusedError):
    """Refusal because the request's encoding or format is not supported."""

    reason = "encoding"


class BackendError(RefusedError):
    """The backend of an exporter without a sending queue refuses it for good.

    Args:
        exporter: Its id.
    """

    reason = "export_failed"

    def __init__(self, exporter: str) -> None:
        super().__init__(f"the backend of {exporter} refused it; the collector's log has the reason")


def refusal(exporter: str, reason: str) -> RefusedError:
    """Return the error for a sender whose request an exporter does not accept, by a reason of `exporters.payload`."""
    if reason == "shutdown":
        return StoppingError()
    if reason in _PRESSURES:
        return PressureError(reason, _PRESSURES[reason].format(exporter))
    return BackendError(exporter)


_PRESSURES: Final = {
    "queue_full": "the queue of {} is full",
    "storage_full": "the queue of {} cannot be written to disk",
    "unreachable": "the backend of {} cannot be reached, and it has no sending_queue",
}
"""Temporary refusals, by reason."""
