"""The collector's own servers: `health_check`, and the admin endpoint with `/metrics` and the decisions behind `otel-fe why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_fe.collector.servers.endpoints import endpoint
from otel_fe.config.extensions import HealthCheck
from otel_fe.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.collector.accounts import Sample
    from otel_fe.collector.servers.http_server import HttpServer
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.servers.pages import AdminPage, HealthPage
    from otel_fe.config.collector import CollectorConfig


class AdminServer:
    """The servers beside the receivers: health, and the admin endpoint.

    Args:
        loop: Where they run.
        samples: Returns the figures.
        explain: Returns the explanation of a trace.
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

    def open_admin(self, address: str, *, metrics: bool) -> None:
        """Open the admin endpoint.

        Raises:
            ConfigurationError: The endpoint would be reachable from other machines.
            OSError: The port is taken.
        """
        where = endpoint(address, "--admin-endpoint")
        if not where.loopback:
            raise ConfigurationError("--admin-endpoint", address, "use a loopback address: it has no authentication")
        from otel_fe.collector.servers.pages import AdminPage  # noqa: PLC0415 who shows no page does without

        page = AdminPage(self._samples, self._explain, metrics=metrics)
        self._own = self._server(page)
        try:
            self._own.listen(where)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; choose another with --admin-endpoint, or none") from error
        self.listening.append(f"admin endpoint on http://{where.address}:{self._own.port}")

    def open_health(self, config: CollectorConfig) -> None:
        """Open the configuration's `health_check`, and close what it no longer has.

        Raises:
            ConfigurationError, OSError: The server cannot be opened.
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
        """Set whether the health check reports the collector as ready."""
        self._ready = ready
        for page, _ in self._health.values():
            page.ready = ready

    def close(self) -> None:
        """Close all."""
        for _, server in self._health.values():
            server.stop(0)
        if self._own is not None:
            self._own.stop(1)

    def _server(self, page: HealthPage | AdminPage) -> HttpServer:
        try:
            from otel_fe.collector.servers.http_server import HttpServer  # noqa: PLC0415 who shows no page does without
        except ModuleNotFoundError as error:
            raise MissingExtraError("showing a page", "collector") from error
        return HttpServer(self._loop, page.look, page.answer)
