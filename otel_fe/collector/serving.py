"""Runs `otel-fe collector` until SIGTERM or SIGINT; SIGHUP reloads the configuration."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

from otel_fe import compiled
from otel_fe.clock import SystemClock
from otel_fe.collector.admin_server import AdminServer
from otel_fe.collector.config_file import config_of
from otel_fe.collector.logging_setup import log_to_stderr
from otel_fe.collector.process_memory import put_off, share_arenas
from otel_fe.collector.servers.loop import Loop
from otel_fe.collector.servers.open_files import raise_open_files
from otel_fe.collector.sidecar import SidecarProcess
from otel_fe.collector.summary_lines import start_line, stop_line
from otel_fe.config.gaps import gaps_of
from otel_fe.config.problems import InvalidConfigError
from otel_fe.config.settings import check_compiled
from otel_fe.config.text_file import read_text_file
from otel_fe.errors import ConfigurationError, OtelFeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.clock import Clock
    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.settings import Options
    from otel_fe.collector.stored import Stored
    from otel_fe.config.collector import CollectorConfig

_log = logging.getLogger("otel_fe")
_MARGIN_S: Final = 2.0
"""Time for a process to end after its work was stopped."""
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
        """Start."""
        ...

    def change(self, config: CollectorConfig) -> None:
        """Change to another configuration."""
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


class Announcer(Protocol):
    """Reports the collector's start, reloads and end to the person who started it."""

    def started(self, line: str, addresses: Sequence[tuple[str, str, str]], pages: Sequence[str]) -> None:
        """Report that it accepts requests now.

        Args:
            line: All of it in one line.
            addresses: Receiver, protocol and address of each server.
            pages: `dashboard on http://localhost:8899/`, and others.
        """
        ...

    def say(self, line: str) -> None:
        """Report a reload, or the end."""
        ...


class _OnStderr:
    """Writes one line on stderr each time."""

    def started(self, line: str, addresses: Sequence[tuple[str, str, str]], pages: Sequence[str]) -> None:  # noqa: ARG002
        """Write the line."""
        self.say(line)

    def say(self, line: str) -> None:
        """Write a line."""
        print(line, file=sys.stderr, flush=True)


def serve(options: Options, announcer: Announcer | None = None) -> int:
    """Run the collector; return the exit status.

    Args:
        options: How it runs.
        announcer: Reports its start and end; None for lines on stderr.

    Raises:
        OtelFeError, OSError: It cannot be started.
    """
    announcer = announcer or _OnStderr()
    check_compiled()
    text = read_text_file(options.config)
    config = config_of(text, options.config, os.environ)
    log_to_stderr(config.telemetry.logs_level)
    _warn_of(config)
    if compiled.backend is None:
        _log.log(
            logging.INFO if os.environ.get(compiled.SWITCH, "").strip().lower() == "false" else logging.WARNING,
            "running without the compiled module, which takes several times the CPU: %s; see otel_fe/compiled/README.md",
            compiled.missing,
        )
    # Waited for, rather than handled: no code is interrupted by them. All threads that are started from here on inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    share_arenas()
    raise_open_files()
    put_off()
    _check_store(options)
    if options.store is not None:
        for gap in gaps_of(config):
            _log.warning("%s: %s", options.config, gap.text)
    sidecar = None
    if options.companion is not None:
        sidecar = SidecarProcess(options.companion, options, text, config.telemetry.logs_level)
    loop = Loop()
    try:
        where = [] if sidecar is None else [sidecar.start()]
        work = _work(config, options, loop)
        pages = AdminServer(loop, work.samples, work.explained)
        _start(work, pages, options, where, announcer)
        _obey_signals(work, pages, options, sidecar, announcer)
        pages.close()
    finally:
        if sidecar is not None:
            sidecar.stop()
        loop.close()
    return 0


def _warn_of(config: CollectorConfig) -> None:
    for warning in config.warnings:
        _log.warning("%s", warning)


def _check_store(options: Options) -> None:
    """Refuse options that need a store where there is none.

    Raises:
        ConfigurationError: An option needs a store, and there is none.
    """
    slos = "SLOs are evaluated on what is counted there"
    asked = [("--slo", options.slos, slos), ("--alertmanager", options.alertmanager, slos)]
    if options.companion is not None:
        asked.append((options.companion.option, options.companion.value, "its pages are made of what is there"))
    for name, value, why in asked:
        if value and options.store is None:
            raise ConfigurationError(name, str(value), f"use it with --store DIR: {why}")


# Of these, each collector has one or two, and what it does not have takes no memory: so they are imported here.


def _work(config: CollectorConfig, options: Options, loop: Loop) -> Work:
    clock = SystemClock()
    stored = _stored(options, clock)
    if options.workers > 1:
        from otel_fe.collector.workers.supervisor import Supervisor  # noqa: PLC0415 see above

        return Supervisor(config, options, None if stored is None else stored.shared())
    from otel_fe.collector.collector import Collector  # noqa: PLC0415 see above
    from otel_fe.collector.process_memory import Garbage  # noqa: PLC0415

    keeping, watch = (None, None) if stored is None else (stored.keeping(), stored.watch)
    return Collector(
        config, clock, loop, open_to_all=options.open_to_all, keeping=keeping, watch=watch, garbage=Garbage()
    )


def _stored(options: Options, clock: Clock) -> Stored | None:
    if options.store is None:
        return None
    from otel_fe.collector.stored import open_stored  # noqa: PLC0415 see above

    return open_stored(options.store, options, clock)


def _start(work: Work, pages: AdminServer, options: Options, where: Sequence[str], announcer: Announcer) -> None:
    config = work.config
    try:
        pages.open_health(config)
        if options.admin_endpoint != "none":
            pages.open_admin(options.admin_endpoint, metrics=config.telemetry.metrics_level != "none")
        work.start()
    except BaseException:
        pages.close()
        raise
    pages.ready(ready=True)
    shown = [*pages.listening, *where]
    announcer.started(start_line(config, work.listening, shown, work.restored), work.listening, shown)


def _obey_signals(
    work: Work, pages: AdminServer, options: Options, sidecar: SidecarProcess | None, announcer: Announcer
) -> None:
    while signal.sigwait(_SIGNALS) == signal.SIGHUP:
        _reload(work, pages, options, sidecar, announcer)
    # A second one ends the process at once.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _end_in_time(options.grace_s + _MARGIN_S)
    pages.ready(ready=False)
    if sidecar is not None:
        sidecar.stop()  # before the store is closed: the last process to close it cleans it up
    work.stop(options.grace_s)
    announcer.say(stop_line(work.samples(), work.saved))


def _end_in_time(seconds: float) -> None:
    """End the process when the time is up, even with work left: an exit on a signal has a time limit."""

    def end() -> None:
        _log.error(
            "the collector did not stop within %g s and exits now; data that is not on disk yet is lost", seconds
        )
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _reload(
    work: Work, pages: AdminServer, options: Options, sidecar: SidecarProcess | None, announcer: Announcer
) -> None:
    try:
        text = read_text_file(options.config)
        config = config_of(text, options.config, os.environ)
        pages.open_health(config)
        try:
            work.change(config)
        except BaseException:
            pages.open_health(work.config)
            raise
    except InvalidConfigError as error:
        _log.error("the configuration was not reloaded; the old one stays active:\n%s", error)  # noqa: TRY400 the text says all
    except (OtelFeError, OSError) as error:
        _log.error("the configuration was not reloaded; the old one stays active: %s", error)  # noqa: TRY400
    else:
        log_to_stderr(config.telemetry.logs_level)
        _warn_of(config)
        if sidecar is not None:
            sidecar.change(text)
        announcer.say(f"otel-fe collector reloaded {options.config}: pipelines {', '.join(map(str, config.pipelines))}")
