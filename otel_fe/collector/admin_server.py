"""What surrounds the collector in its process: its configuration's file, its log, its pages."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.servers.endpoints import endpoint
from otel_fe.config.collector import read_collector_config
from otel_fe.config.extensions import HealthCheck
from otel_fe.config.text_file import read_text_file
from otel_fe.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.servers.http_server import HttpServer
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.servers.pages import HealthPage, OwnPage
    from otel_fe.config.collector import CollectorConfig

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


def read_config(path: Path, environ: Mapping[str, str]) -> CollectorConfig:
    """Read the configuration.

    Raises:
        InvalidConfigError: Something is wrong in it; the error holds all problems.
        ConfigurationError: It is no UTF-8.
        OSError: It cannot be read.
    """
    return config_of(read_text_file(path), path, environ)


def config_of(text: str, path: Path, environ: Mapping[str, str]) -> CollectorConfig:
    """Return the configuration that a file holds.

    Raises:
        InvalidConfigError: Something is wrong in it; the error holds all problems.
    """
    return read_collector_config(text, str(path), environ)


def log_to_stderr(level: str) -> None:
    """Write what is logged from `level` on to stderr, with its time: it is a server's."""
    log = logging.getLogger("otel_fe")
    log.setLevel(_LEVELS[level])
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        log.propagate = False


class AdminServer:
    """The servers beside the receivers: health, and the own page.

    Args:
        loop: Where they run.
        samples: Returns the figures.
        explain: Returns what is known of a trace.
    """

    def __init__(
        self, loop: Loop, samples: Callable[[], Sequence[Sample]], explain: Callable[[int], dict[str, Any]]
    ) -> None:
        self._loop = loop
        self._samples = samples
        self._explain = explain
        self._own: HttpServer | None = None
        self._health: dict[HealthCheck, tuple[HealthPage, HttpServer]] = {}
        self._ready = False
        self.listening: list[str] = []

    def open_own(self, address: str, *, metrics: bool) -> None:
        """Open the own page.

        Raises:
            ConfigurationError: It would be reachable from elsewhere.
            OSError: The port is taken.
        """
        where = endpoint(address, "--own-page")
        if not where.loopback:
            raise ConfigurationError(
                "--own-page", address, "use a loopback address: nobody is asked who they are there"
            )
        from otel_fe.collector.servers.pages import OwnPage  # noqa: PLC0415 who shows no page does without

        page = OwnPage(self._samples, self._explain, metrics=metrics)
        self._own = self._server(page)
        try:
            self._own.listen(where)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; choose another with --own-page, or none") from error
        self.listening.append(f"own page on http://{where.address}:{self._own.port}")

    def open_health(self, config: CollectorConfig) -> None:
        """Open the configuration's `health_check`, and close what it no longer has.

        Raises:
            ConfigurationError, OSError: It cannot be opened.
        """
        wanted = {one: name for name, one in config.extensions.items() if isinstance(one, HealthCheck)}
        for settings, name in wanted.items():
            if settings not in self._health:
                from otel_fe.collector.servers.pages import HealthPage  # noqa: PLC0415 as above

                page = HealthPage(settings)
                server = self._server(page)
                where = endpoint(settings.endpoint, f"extensions::{name}::endpoint")
                server.listen(where)
                page.ready = self._ready
                self._health[settings] = (page, server)
                self.listening.append(f"health on http://{where.address}:{server.port}{settings.path}")
        for settings in self._health.keys() - wanted.keys():
            self._health.pop(settings)[1].stop(0)

    def ready(self, *, ready: bool) -> None:
        """Say whether the collector works."""
        self._ready = ready
        for page, _ in self._health.values():
            page.ready = ready

    def close(self) -> None:
        """Close all."""
        for _, server in self._health.values():
            server.stop(0)
        if self._own is not None:
            self._own.stop(1)

    def _server(self, page: HealthPage | OwnPage) -> HttpServer:
        try:
            from otel_fe.collector.servers.http_server import HttpServer  # noqa: PLC0415 who shows no page does without
        except ModuleNotFoundError as error:
            raise MissingExtraError("showing a page", "collector") from error
        return HttpServer(self._loop, page.look, page.answer)
