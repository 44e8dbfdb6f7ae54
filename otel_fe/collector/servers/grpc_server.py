"""OTLP over gRPC. Requests are passed on as bytes."""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.refusals import PressureError, RefusedError
from otel_fe.collector.servers.bodies import unpacked_message
from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.grpc_options import options_of
from otel_fe.collector.servers.slow_calls import SlowCalls
from otel_fe.collector.servers.statuses import INTERNAL, INVALID, UNAUTHENTICATED, Code, code_of, status
from otel_fe.collector.servers.taken_ports import check_free
from otel_fe.collector.servers.tls import grpc_credentials
from otel_fe.errors import MissingExtraError
from otel_fe.units import MIB
from otel_fe.wire.responses import response
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.collector.servers.intake import Intake
    from otel_fe.collector.servers.tokens import Tokens
    from otel_fe.config.receivers import GrpcServerSettings

_log = logging.getLogger("otel_fe")
_WORKING: Final = 2
"""Requests that are decoded and decided at a time."""
_THREADS: Final = 64
"""Calls that are read at a time; gRPC's flow control holds back the rest. A thread is started when all others are taken."""
_MOST_WAITING: Final = 256
"""Calls that wait for a thread; a sender has one or a few."""
_READ_S: Final = 60.0
"""For the message of a call, from its begin: as over HTTP."""
_DEFAULT_BYTES: Final = 4 * MIB
_SIGNALS: Final = {f"/{described.service}/Export": signal for signal, described in SIGNALS.items()}
_STATUS_KEY: Final = "grpc-status-details-bin"


class OtlpGrpcServer:
    """Listens for OTLP/gRPC.

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
        self.tokens = tokens
        self.intake = intake
        self._grpc: Any = grpc
        self._codes = {code.value[0]: code for code in grpc.StatusCode}
        self._endpoint = endpoint
        self._most_bytes = settings.max_recv_msg_size_mib * MIB or _DEFAULT_BYTES
        self._credentials = grpc_credentials(settings.tls, where) if settings.tls is not None else None
        self._settings = settings
        self._pool = DaemonPool(_THREADS, "otel-fe-grpc")
        self._working = threading.BoundedSemaphore(_WORKING)
        self._slow = SlowCalls(_READ_S, lambda: self._pool.waiting > 0, partial(intake.refuse, "slow"))
        self._takers = {signal: self._taking(signal) for signal in _SIGNALS.values()}
        self._server: Any = None
        self.port = 0

    def start(self, *, shared: bool = False) -> None:
        """Start listening; with `shared`, on a port that other processes listen on, too.

        Raises:
            OSError: The port is taken.
        """
        endpoint = self._endpoint
        if not shared:
            check_free(endpoint)
        options = options_of(self._settings, self._most_bytes, shared=shared)
        self._server = self._grpc.server(self._pool, handlers=(_Calls(self),), options=options)
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

    def answerer(self, method: str, metadata: Any) -> Any:
        """Return what answers a call, before its message has been received; None for one that does not exist."""
        signal = _SIGNALS.get(method)
        if signal is None:
            return None
        tokens = self.tokens
        if tokens is not None and not any(
            tokens.accept(value) for key, value in metadata or () if key.lower() == tokens.header
        ):
            self.intake.refuse("unauthenticated")
            return self._refusing(UNAUTHENTICATED, "send a valid bearer token")
        try:
            self.intake.check(signal)
            if self._pool.waiting >= _MOST_WAITING:
                raise PressureError("busy", f"{_MOST_WAITING} requests are under way")
        except RefusedError as error:
            self.intake.refuse(error)
            return self._refusing(code_of(error), str(error), error.retry_after_s)
        return self._takers[signal]

    def _taking(self, signal: str) -> Any:
        def take(messages: Any, context: Any) -> bytes:
            # Read as a stream of one: gRPC would read a single message before it calls us, and wait for it as long as it takes.
            with self._slow.reading(context):
                message = next(messages, None)
            if message is None:
                self._abort(context, INVALID, "send one message", 0.0)
                return b""
            try:
                with self._working:
                    outcome = self.intake.take(signal, self._unpacked(message))
                return response(signal, outcome) if outcome.rejected else b""  # as an answer without fields is encoded
            except (RefusedError, WireError) as error:
                retry_s = error.retry_after_s if isinstance(error, RefusedError) else 0.0
                refusal = code_of(error), str(error), retry_s
            except Exception:
                # Whatever it is, the sender must get an error of its protocol, and the server must continue.
                _log.exception("a request for %s failed", signal)
                refusal = INTERNAL, "internal error", 0.0
            self._abort(context, *refusal)
            return b""

        return self._grpc.stream_unary_rpc_method_handler(take)

    def _unpacked(self, message: bytes) -> bytes:
        try:
            return unpacked_message(message, self._most_bytes)
        except (RefusedError, WireError) as error:
            self.intake.refuse(error)
            raise

    def _refusing(self, code: Code, message: str, retry_s: float = 0.0) -> Any:
        def refuse(_messages: Any, context: Any) -> bytes:
            self._abort(context, code, message, retry_s)  # nothing of the message is read
            return b""

        return self._grpc.stream_unary_rpc_method_handler(refuse)

    def _abort(self, context: Any, code: Code, message: str, retry_s: float) -> None:
        context.set_trailing_metadata(((_STATUS_KEY, status(code, message, retry_s)),))
        context.abort(self._codes[code.grpc], message)


class _Calls:
    """The interface through which gRPC looks up the handler of a call."""

    def __init__(self, server: OtlpGrpcServer) -> None:
        self._server = server

    def service(self, call: Any) -> Any:
        """Return it."""
        return self._server.answerer(call.method, call.invocation_metadata)
