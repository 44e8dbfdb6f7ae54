"""The servers of the running configuration's receivers, replaceable one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.collector.servers.endpoints import Endpoint, check_open, endpoint
from otel_fe.collector.servers.intake import Intake, IntakeCounters
from otel_fe.config.extensions import BearerTokenAuth
from otel_fe.config.receivers import GrpcServerSettings
from otel_fe.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.servers.loop import Loop
    from otel_fe.collector.servers.otlp_grpc import OtlpGrpcServer
    from otel_fe.collector.servers.otlp_http import OtlpHttpServer
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.collector import CollectorConfig
    from otel_fe.config.receivers import HttpServerSettings

    Place = tuple[str, str]
    """A receiver's id, and `grpc` or `http`."""

_GRACE_S: Final = 5.0


class ServerPlan(NamedTuple):
    """The settings of a server, except its tokens, which can change while it runs."""

    settings: GrpcServerSettings | HttpServerSettings
    endpoint: Endpoint
    where: str


class Listeners:
    """All servers of receivers.

    Args:
        loop: Where HTTP servers run.
        engine: Returns the active graph.
        open_to_all: Whether servers beyond loopback may work without authentication (`--allow-unauthenticated`).
        shared: Where other processes listen on the same ports: those that replace a port of 0, by receiver and protocol.
    """

    def __init__(
        self,
        loop: Loop,
        engine: Callable[[], PipelineGraph],
        *,
        open_to_all: bool = False,
        shared: Mapping[Place, int] | None = None,
    ) -> None:
        self._loop = loop
        self._engine = engine
        self._open_to_all = open_to_all
        self._shared = shared is not None
        self._ports = shared or {}
        self._running: dict[Place, tuple[ServerPlan, OtlpGrpcServer | OtlpHttpServer]] = {}
        self._intakes: dict[Place, Intake] = {}

    @property
    def received(self) -> list[IntakeCounters]:
        """The counters of each receiver, removed ones included."""
        return [intake.received for intake in self._intakes.values()]

    @property
    def listening(self) -> list[tuple[str, str, str]]:
        """Receiver, protocol and address of each."""
        return [
            (receiver, protocol, str(replace(plan.endpoint, port=server.port)))
            for (receiver, protocol), (plan, server) in self._running.items()
        ]

    def apply(self, config: CollectorConfig) -> None:
        """Open the servers of a configuration, and close all others. Unchanged servers are not touched.

        Raises:
            ConfigurationError, OSError: A server cannot be started; all is as it was.
        """
        plans, tokens = self._plans(config)
        changed = [place for place, (plan, _) in self._running.items() if plans.get(place) != plan]
        new = {
            place: self._built(place, plan, tokens[place])
            for place, plan in plans.items()
            if place in changed or place not in self._running
        }
        before = {place: self._running.pop(place) for place in changed}
        for place, (_, server) in before.items():
            if place in plans:  # its address may be wanted again
                server.stop(_GRACE_S)
        try:
            for place, server in new.items():
                server.start(shared=self._shared)
                self._running[place] = (plans[place], server)
        except BaseException:
            self._restore(before, new, plans)
            raise
        for place, (_, server) in self._running.items():
            server.tokens = tokens[place]
        for place, (_, server) in before.items():
            if place not in plans:
                server.stop(_GRACE_S)

    def stop(self, grace_s: float) -> None:
        """Stop accepting requests; those in progress are taken if they are complete within `grace_s`."""
        stopped = [server.stop(grace_s) for _, server in self._running.values()]
        for event in stopped:
            if event is not None:
                event.wait(grace_s + 1)
        for intake in self._intakes.values():  # threads may still be at work
            intake.stopping = True
        self._running.clear()

    def _restore(self, before: dict[Place, Any], new: dict[Place, Any], plans: dict[Place, ServerPlan]) -> None:
        for place, server in new.items():
            if self._running.pop(place, None) is not None:
                server.stop(0)
        for place, (plan, server) in before.items():
            again = server
            if place in plans:
                again = self._built(place, plan, server.tokens)
                again.start(shared=self._shared)
            self._running[place] = (plan, again)

    def _built(self, place: Place, plan: ServerPlan, tokens: Tokens | None) -> OtlpGrpcServer | OtlpHttpServer:
        intake = self._intakes.setdefault(place, Intake(IntakeCounters(*place), self._engine))
        settings = plan.settings
        # Each needs much that the other does not: imported where there is one.
        try:
            if isinstance(settings, GrpcServerSettings):
                from otel_fe.collector.servers.grpc_server import otlp_grpc_server  # noqa: PLC0415 see above

                return otlp_grpc_server(settings, plan.endpoint, intake, tokens, plan.where, self._loop.held)
            from otel_fe.collector.servers.otlp_http import OtlpHttpServer  # noqa: PLC0415

            return OtlpHttpServer(settings, plan.endpoint, intake, tokens, plan.where, self._loop)
        except ModuleNotFoundError as error:
            raise MissingExtraError("receiving OTLP", "collector") from error

    def _plans(self, config: CollectorConfig) -> tuple[dict[Place, ServerPlan], dict[Place, Tokens | None]]:
        plans: dict[Place, ServerPlan] = {}
        tokens: dict[Place, Tokens | None] = {}
        used = {identifier for pipeline in config.pipelines.values() for identifier in pipeline.receivers}
        for identifier, receiver in config.receivers.items():
            for protocol in ("grpc", "http") if identifier in used else ():
                settings: GrpcServerSettings | HttpServerSettings | None = getattr(receiver, protocol)
                if settings is None:
                    continue
                where = f"receivers::{identifier}::protocols::{protocol}"
                address = endpoint(settings.endpoint, f"{where}::endpoint")
                if not self._open_to_all:
                    check_open(address, settings, f"{where}::endpoint")
                place = (str(identifier), protocol)
                address = replace(address, port=address.port or self._ports.get(place, 0))
                plans[place] = ServerPlan(replace(settings, auth=None), address, where)
                tokens[place] = _tokens(settings, config, where)
        return plans, tokens


def _tokens(settings: GrpcServerSettings | HttpServerSettings, config: CollectorConfig, where: str) -> Tokens | None:
    if settings.auth is None:
        return None
    extension = config.extensions.get(settings.auth)
    if not isinstance(extension, BearerTokenAuth):
        raise ConfigurationError(f"{where}::auth", str(settings.auth), "list the extension in service::extensions")
    from otel_fe.collector.servers.tokens import Tokens  # noqa: PLC0415 comparing them loads OpenSSL

    return Tokens(extension, f"extensions::{settings.auth}")
