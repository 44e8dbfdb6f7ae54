"""OTLP over gRPC, received on a loopback port."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from otel_fe.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_WORKERS: Final = 4

_SIGNALS: Final = {
    "traces": ("trace", "Trace"),
    "metrics": ("metrics", "Metrics"),
    "logs": ("logs", "Logs"),
}


class Receiver:
    """A server for OTLP/gRPC: traces, metrics and logs.

    Args:
        receive: Called with the signal (`traces`, `metrics`, `logs`) and the decoded request, on a thread of the
            server; what it raises is answered with INTERNAL, so that the sender may try again.
        port: On 127.0.0.1; 0 takes a free one.

    Raises:
        MissingExtraError: grpcio is not installed.
        OSError: The port is taken.
    """

    def __init__(self, receive: Callable[[str, Any], None], port: int = 0) -> None:
        try:
            import grpc  # noqa: PLC0415 an extra
        except ImportError:
            raise MissingExtraError("receiving OTLP over gRPC", "demo") from None
        self._server = grpc.server(
            ThreadPoolExecutor(_WORKERS, thread_name_prefix="otel-fe-receiver"),
            options=(("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)),
        )
        for name, (module, service) in _SIGNALS.items():
            self._add(grpc, receive, name, module, service)
        try:
            self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError as error:
            raise OSError(f"port {port} on 127.0.0.1 is taken: choose another, or 0 for a free one") from error

    @property
    def endpoint(self) -> str:
        """The value for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self, grace_s: float = 1.0) -> None:
        """Finish what is being answered, for at most `grace_s`, and close the port."""
        self._server.stop(grace_s).wait()

    def _add(self, grpc: Any, receive: Callable[[str, Any], None], signal: str, module: str, service: str) -> None:
        messages = import_module(f"opentelemetry.proto.collector.{module}.v1.{module}_service_pb2")
        request: Any = getattr(messages, f"Export{service}ServiceRequest")
        response: Any = getattr(messages, f"Export{service}ServiceResponse")

        def export(message: Any, _context: Any) -> Any:
            receive(signal, message)
            return response()

        method = grpc.unary_unary_rpc_method_handler(export, request.FromString, response.SerializeToString)
        name = f"opentelemetry.proto.collector.{module}.v1.{service}Service"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
