"""OTLP over gRPC by grpcio, where libnghttp2 cannot be had. Requests are passed on as bytes."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.refusals import PressureError, RefusedError
from otel_fe.collector.servers.bodies import unpacked_message
from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.grpc_calls import STATUS_KEY, GrpcCalls, Refusal
from otel_fe.collector.servers.grpc_limits import READ_S
from otel_fe.collector.servers.grpcio_options import options_of
from otel_fe.collector.servers.otlp_grpc import OtlpGrpcServer
from otel_fe.collector.servers.slow_calls import SlowCalls
from otel_fe.collector.servers.taken_ports import check_free
from otel_fe.collector.servers.tls import grpc_credentials
from otel_fe.errors import MissingExtraError
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import GrpcServerSettings

_WORKING: Final = 2
"""Requests that are decoded and decided at a time."""
_THREADS: Final = 64
"""Calls that are read at a time; gRPC's flow control holds back the rest. A thread is started when all others are taken."""
_MOST_WAITING: Final = 256
"""Calls that wait for a thread; a sender has one or a few."""


class GrpcioServer(OtlpGrpcServer):
    """Listens for OTLP/gRPC. Each call takes a thread of its own while it is read.

    Args:
        settings: Of the receiver's `protocols::grpc`.
        endpoint: Where to listen; a port of 0 takes a free one.
        intake: Takes the requests.
        tokens: Accepted tokens; None for no authentication.
        where: The key of the settings, for messages.

    Raises:
        ConfigurationError: A certificate cannot be used.
        MissingExtraError: grpcio is not installed.
    """

    def __init__(
        self,
        settings: GrpcServerSettings,
        endpoint: Endpoint,
        intake: Intake,
        tokens: Tokens | None,
        where: str,
    ) -> None:
        try:
            import grpc  # noqa: PLC0415 an extra
        except ImportError:
            raise MissingExtraError("receiving OTLP over gRPC", "collector") from None
        super().__init__(GrpcCalls(settings, intake, tokens))
        self._grpc: Any = grpc
        self._codes = {code.value[0]: code for code in grpc.StatusCode}
        self._endpoint = endpoint
        self._credentials = grpc_credentials(settings.tls, where) if settings.tls is not None else None
        self._settings = settings
        self._pool = DaemonPool(_THREADS, "otel-fe-grpc")
        self._working = threading.BoundedSemaphore(_WORKING)
        self._slow = SlowCalls(READ_S, lambda: self._pool.waiting > 0, partial(intake.refuse, "slow"))
        self._server: Any = None

    def start(self, *, shared: bool = False) -> None:
        """Start listening; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """
        endpoint = self._endpoint
        if not shared:
            check_free(endpoint)
        options = options_of(self._settings, self._calls.most_bytes, shared=shared)
        self._server = self._grpc.server(self._pool, handlers=(_Handlers(self),), options=options)
        address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
        try:
            if self._credentials is None:
                self.port = self._server.add_insecure_port(f"{address}:{endpoint.port}")
            else:
                self.port = self._server.add_secure_port(f"{address}:{endpoint.port}", self._credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {endpoint}: {str(error).splitlines()[0]}") from error
        self._server.start()

    def stop(self, grace_s: float) -> threading.Event:
        """Stop accepting requests; those in progress have `grace_s`. Return an event that is set at their end."""
        stopped: threading.Event = self._server.stop(grace_s)
        threading.Thread(target=self._let_go, args=(stopped,), name="otel-fe-grpc-end", daemon=True).start()
        return stopped

    def _let_go(self, stopped: threading.Event) -> None:
        stopped.wait()
        self._slow.close()
        self._pool.shutdown(cancel_futures=True)

    # --- one request -----------------------------------------------------------------------------------------------------

    def handler(self, method: str, metadata: Any) -> Any:
        """Return what answers a call, before its message has been received; None for a method that does not exist."""
        calls = self._calls
        signal = calls.signal_of(method)
        if signal is None:
            return None
        pairs = [(key.lower(), value) for key, value in metadata or ()]
        found = calls.refusal_by_token(lambda name: [value for key, value in pairs if key == name])
        found = found or calls.refusal_by_load(signal)
        if found is None and self._pool.waiting >= _MOST_WAITING:
            found = calls.refused(PressureError("busy", f"{_MOST_WAITING} requests are under way"))
        answer = partial(self._take, signal) if found is None else partial(self._refuse, found)
        return self._grpc.stream_unary_rpc_method_handler(answer)

    def _take(self, signal: str, messages: Any, context: Any) -> bytes:
        # Read as a stream of one: gRPC would read a single message before it calls us, and wait for it as long as it takes.
        with self._slow.reading(context):
            message = next(messages, None)
        calls = self._calls
        if message is None:
            return self._refuse(calls.no_message(), messages, context)
        with self._working:
            try:
                answered = calls.take(signal, unpacked_message(message, calls.most_bytes))
            except (RefusedError, WireError) as error:
                answered = calls.refused(error)
        return self._refuse(answered, messages, context) if isinstance(answered, Refusal) else answered

    def _refuse(self, refusal: Refusal, _messages: Any, context: Any) -> bytes:
        """Answer a call with an error; of its message, nothing more is read."""
        context.set_trailing_metadata(((STATUS_KEY, refusal.details),))
        context.abort(self._codes[refusal.code.grpc], refusal.message)
        return b""


class _Handlers:
    """The interface through which gRPC looks up the handler of a call."""

    def __init__(self, server: GrpcioServer) -> None:
        self._server = server

    def service(self, call: Any) -> Any:
        """Return it."""
        return self._server.handler(call.method, call.invocation_metadata)
