"""`otel-fe collector`: runs until SIGTERM or SIGINT; SIGHUP reads the configuration again."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe.clock import SystemClock
from otel_fe.collector.collector import Collector
from otel_fe.collector.garbage import Garbage
from otel_fe.collector.keeping import Keeping
from otel_fe.collector.servers.http_server import Loop
from otel_fe.collector.slo_watch import SloWatch, read_slos
from otel_fe.collector.summing_up import start_line, stop_line
from otel_fe.collector.surroundings import Pages, log_to_stderr, read_config
from otel_fe.collector.workers.supervisor import Supervisor
from otel_fe.config.problems import InvalidConfigError
from otel_fe.errors import ConfigurationError, OtelFeError
from otel_fe.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.settings import Options
    from otel_fe.config.collector import CollectorConfig

_log = logging.getLogger("otel_fe")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Work(Protocol):
    """A collector of one process, or of several."""

    config: CollectorConfig
    saved: int
    restored: int

    @property
    def listening(self) -> list[tuple[str, str, str]]:
        """Receiver, protocol and address of each server."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def change(self, config: CollectorConfig) -> None:
        """Go on with another configuration."""
        ...

    def stop(self, grace_s: float) -> None:
        """End."""
        ...

    def samples(self) -> Sequence[Sample]:
        """Return the figures."""
        ...

    def explained(self, trace_id: int) -> dict[str, Any]:
        """Return what is known of a trace."""
        ...


def serve(options: Options) -> int:
    """Run the collector; return the exit status.

    Raises:
        OtelFeError, OSError: It cannot be started.
    """
    config = read_config(options.config, os.environ)
    log_to_stderr(config.telemetry.logs_level)
    for warning in config.warnings:
        _log.warning("%s", warning)
    # Waited for, rather than handled: no code is interrupted by them. All threads that are started from here on inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    loop = Loop()
    try:
        work = _work(config, options, loop)
        pages = Pages(loop, work.samples, work.explained)
        _start(work, pages, options)
        _obey_signals(work, pages, options)
        pages.close()
    finally:
        loop.close()
    return 0


def _work(config: CollectorConfig, options: Options, loop: Loop) -> Work:
    if options.workers > 1:
        if options.store is not None:
            raise ConfigurationError("--store", str(options.store), "use --workers 1: one process writes the store")
        return Supervisor(config, options)
    clock = SystemClock()
    keeping, watch = _kept_and_watched(options, clock)
    return Collector(
        config, clock, loop, open_to_all=options.open_to_all, keeping=keeping, watch=watch, garbage=Garbage()
    )


def _kept_and_watched(options: Options, clock: Clock) -> tuple[Keeping | None, SloWatch | None]:
    """Return what fills the store, and what alerts on what is in it."""
    for name, value in (("--slo", options.slos), ("--alertmanager", options.alertmanager)):
        if value and options.store is None:
            raise ConfigurationError(
                name, str(value), "use it with --store: SLOs are evaluated on what is counted there"
            )
    if options.store is None:
        return None, None
    slos = read_slos(options.slos, os.environ)
    store = Store(options.store)
    return Keeping(store), SloWatch(options.store, slos, clock, options.alertmanager)


def _start(work: Work, pages: Pages, options: Options) -> None:
    config = work.config
    try:
        pages.open_health(config)
        if options.own_page != "none":
            pages.open_own(options.own_page, metrics=config.telemetry.metrics_level != "none")
        work.start()
    except BaseException:
        pages.close()
        raise
    pages.ready(ready=True)
    _say(start_line(config, work.listening, pages.listening, work.restored))


def _obey_signals(work: Work, pages: Pages, options: Options) -> None:
    while signal.sigwait(_SIGNALS) == signal.SIGHUP:
        _reload(work, pages, options)
    # A second one ends the process at once.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    pages.ready(ready=False)
    work.stop(options.grace_s)
    _say(stop_line(work.samples(), work.saved))


def _reload(work: Work, pages: Pages, options: Options) -> None:
    try:
        config = read_config(options.config, os.environ)
        pages.open_health(config)
        try:
            work.change(config)
        except BaseException:
            pages.open_health(work.config)
            raise
    except InvalidConfigError as error:
        _log.error("the configuration was not changed:\n%s", error)  # noqa: TRY400 the text says all
    except (OtelFeError, OSError) as error:
        _log.error("the configuration was not changed: %s", error)  # noqa: TRY400
    else:
        log_to_stderr(config.telemetry.logs_level)
        _say(f"otel-fe collector reloaded {options.config}: pipelines {', '.join(map(str, config.pipelines))}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
