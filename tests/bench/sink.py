"""The receiver behind benchmarked collectors: counts traces and notes when each first arrived. `python -m tests.bench.sink` prints its port."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from otel_fe.wire.decode import decode

_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def main() -> None:
    """Serve until standard input ends."""
    seen: dict[str, float] = {}

    def export(payload: bytes, _context: Any) -> bytes:
        now = time.time()
        for trace in decode(payload, sized=False).traces:
            seen.setdefault(f"{trace.trace_id:032x}", now)
        return b""

    class Service(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            serve = export if details.method == _TRACES else lambda _payload, _context: b""
            return grpc.unary_unary_rpc_method_handler(serve)

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    for line in sys.stdin:
        if line.strip() == "take":
            print(json.dumps({"traces": seen}), flush=True)


if __name__ == "__main__":
    main()
