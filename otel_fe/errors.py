"""The errors that otel_fe raises.

    OtelFeError
    ├── ConfigurationError         an invalid setting: the value, its place and the fix
    │   ├── InvalidConfigError     an invalid file, with all its problems (config/problems.py)
    │   └── OttlSyntaxError        an invalid condition (config/ottl/refusal.py)
    ├── MissingExtraError          a feature whose libraries are not installed: the pip command
    ├── OttlEvaluationError        a condition that failed on a span (pipeline/ottl/values.py)
    │   └── WrongTypeError         on a value of the wrong type (pipeline/ottl/coercions.py)
    ├── ForecastError              a question that the measurements cannot answer (forecast/forecast_error.py)
    ├── TooLittleError             too few extractions on one side of a change (changes/comparison.py)
    ├── StoreError                 the store cannot be used (store/store_error.py)
    │   ├── StoreBusyError         another process writes to it
    │   └── StoreMissingError      it does not exist
    ├── InvalidItemError           an item that the store cannot hold (store/store_error.py)
    ├── DeliveryError              an alert that was not delivered (alerting/delivery/http.py)
    ├── WireError                  a payload that is no OTLP (wire/wire_error.py)
    ├── RefusedError               a request that the collector refuses (collector/refusals.py)
    │   ├── PressureError          for now: there is no room
    │   ├── StoppingError          as it shuts down
    │   ├── TooLargeError          as too large
    │   ├── TooManyValuesError     as JSON with too many objects or values
    │   ├── NoPipelineError        without a pipeline for its signal
    │   ├── EncodingError          in an unsupported encoding or format
    │   └── BackendError           after its backend has refused it
    ├── StorageError               a queue's folder cannot be used (collector/exporters/storage_errors.py)
    ├── StorageFullError           its disk is full or fails
    ├── DamagedError               its file is damaged
    ├── WorkerError                a worker of the collector did not start (collector/workers/child_process.py)
    ├── UnreachableError           no collector answers (collector/decision_request.py)
    └── ServiceError               the demo's service did not start, or died (demo/service.py)

Only configuring raises. Nothing raises out of a hook into the application: see `faults.py`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

from otel_fe.redaction import redact_value


class OtelFeError(Exception):
    """Root of all errors raised by otel_fe."""


class ConfigurationError(OtelFeError, ValueError):
    """A setting has a value that cannot be used.

    Attributes:
        where: The variable, or the file, line and key, that holds the value.
        value: The value as found, without credentials in a URL.
        wanted: What would be right.
    """

    def __init__(self, where: str, value: object, wanted: str) -> None:
        value = redact_value(value) if isinstance(value, str) else value
        super().__init__(f"{where}: {value!r} cannot be used; {wanted}")
        self.where = where
        self.value = value
        self.wanted = wanted


def os_error_reason(error: OSError) -> str:
    """Return the operating system's text of an error, without number and file name: `No such file or directory`."""
    return error.strerror or str(error)


class MissingExtraError(OtelFeError, ImportError):
    """A part of otel_fe was used whose libraries are not installed.

    Args:
        what: The part, as the message names it; the message also has the `pip install` command.
        extra: As below.

    Attributes:
        extra: The name of the extra that holds them.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'otel-fe[{extra}]'")
        self.extra = extra


@contextlib.contextmanager
def needs_extra(what: str, extra: str) -> Generator[None]:
    """Raise `MissingExtraError` if the block imports a library that is not installed; import errors within otel_fe pass unchanged.

    Args:
        what: The feature, as the message names it.
        extra: The extra that has its libraries.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "otel_fe":
            raise
        raise MissingExtraError(what, extra) from error
