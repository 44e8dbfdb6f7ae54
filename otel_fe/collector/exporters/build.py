"""Builds an exporter from its configuration."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from otel_fe.clock import SystemClock
from otel_fe.collector.exporters.bearer import Bearer
from otel_fe.collector.exporters.debug import DebugTransport
from otel_fe.collector.exporters.immediate import Immediate, Nowhere
from otel_fe.collector.exporters.queued import Queued
from otel_fe.collector.exporters.storage_errors import StorageError
from otel_fe.config.exporters import Debug, Nop, OtlpGrpc
from otel_fe.config.extensions import BearerTokenAuth, FileStorage
from otel_fe.config.identifiers import SIGNALS
from otel_fe.config.sending import SendingQueue
from otel_fe.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.exporter import Exporter
    from otel_fe.collector.exporters.outcome import Transport
    from otel_fe.collector.exporters.payload import Settled
    from otel_fe.collector.exporters.storage import Storage
    from otel_fe.config.exporters import OtlpHttp
    from otel_fe.config.extensions import HealthCheck
    from otel_fe.config.identifiers import ComponentId

    Extensions = Mapping[ComponentId, FileStorage | HealthCheck | BearerTokenAuth]

_E = TypeVar("_E")
_SEVERAL: Final = SendingQueue(queue_size=SendingQueue().num_consumers)
"""Without a queue, for payloads that cannot wait: as many concurrent requests as with one, and none waiting."""


def build(
    identifier: ComponentId,
    settings: OtlpGrpc | OtlpHttp | Debug | Nop,
    extensions: Extensions,
    settled: Settled,
    signals: Sequence[str] = SIGNALS,
    *,
    clock: Clock | None = None,
    random_number: Callable[[], float] = random.random,
) -> Exporter:
    """Return an exporter, not started.

    Args:
        identifier: Its id in the configuration.
        settings: Its settings in the file.
        extensions: The configuration's, for `auth` and `storage`.
        settled: Called once with each settled payload.
        signals: Those of the pipelines that name it.
        clock: Time, for waits.
        random_number: Returns a number in [0, 1), for waits.

    Raises:
        ConfigurationError: The exporter names an extension that does not exist.
    """
    name = str(identifier)
    clock = clock if clock is not None else SystemClock()
    if isinstance(settings, Nop):
        return Immediate(Nowhere(), settled)
    if isinstance(settings, Debug):
        transport: Transport = DebugTransport(settings, clock)
        if settings.sending_queue is None:
            return Immediate(transport, settled)
        retry = None
    else:
        bearer = Bearer(_extension(settings.auth, extensions, BearerTokenAuth, name)) if settings.auth else None
        transport = _otlp(settings, bearer, clock, name)
        retry = settings.retry_on_failure
    queue = settings.sending_queue or _SEVERAL
    storage = _extension(queue.storage, extensions, FileStorage, name) if queue.storage else None
    opener = None if storage is None else lambda signal: open_storage(storage, name, signal)
    direct = settings.sending_queue is None
    return Queued(name, transport, queue, retry, signals, settled, clock, random_number, opener, direct=direct)


# What these need takes memory by the ten MiB: only a collector that has one imports it.


def _otlp(settings: OtlpGrpc | OtlpHttp, bearer: Bearer | None, clock: Clock, name: str) -> Transport:
    try:
        if isinstance(settings, OtlpGrpc):
            from otel_fe.collector.exporters.otlp_grpc import GrpcTransport  # noqa: PLC0415 see above

            return GrpcTransport(settings, bearer, name)
        from otel_fe.collector.exporters.otlp_http import HttpTransport  # noqa: PLC0415

        return HttpTransport(settings, bearer, clock, name)
    except ModuleNotFoundError as error:
        raise MissingExtraError("sending OTLP", "collector") from error


def open_storage(settings: FileStorage, name: str, signal: str) -> Storage:
    """Open the file of one queue.

    Raises:
        StorageError: Another process has it, or it cannot be opened.
    """
    from otel_fe.collector.exporters.storage import Storage  # noqa: PLC0415 see above

    directory = Path(settings.directory)
    # Characters that a file name cannot hold are written as numbers, so that two ids never share a file.
    file = directory / f"exporter_{re.sub(r'[^A-Za-z0-9.-]', lambda found: f'~{ord(found[0]):x}~', name)}_{signal}.db"

    def prepare() -> None:
        try:
            if settings.create_directory:
                directory.mkdir(settings.directory_permissions, parents=True, exist_ok=True)
            if not directory.is_dir():
                raise StorageError(file, "the directory does not exist; create it, or set create_directory: true")
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(file, error.strerror or str(error)) from error

    return Storage(file, fsync=settings.fsync, lock_timeout_s=settings.timeout_ns / 1e9, prepare=prepare)


def _extension(identifier: ComponentId, extensions: Extensions, kind: type[_E], name: str) -> _E:
    found = extensions.get(identifier)
    if not isinstance(found, kind):
        raise ConfigurationError(name, str(identifier), "list the extension in service::extensions")
    return found
