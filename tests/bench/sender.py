"""Sends the same requests to whatever listens, at a steady pace: `python -m tests.bench.sender JSON`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import grpc

from tests.bench.otlp_traffic import traffic

_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_START_S = 30


def main() -> None:
    """Say "ready" once connected, wait for a line, send, and tell when each trace was acknowledged."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    made = traffic(order["requests"])
    channel = grpc.insecure_channel(f"127.0.0.1:{order['port']}")
    grpc.channel_ready_future(channel).result(_START_S)
    export = channel.unary_unary(_TRACES)
    print("ready", flush=True)
    sys.stdin.readline()
    at: dict[str, float] = {}
    begun = time.perf_counter()
    for number, (request, ids) in enumerate(zip(made.requests, made.trace_ids, strict=True)):
        time.sleep(max(0.0, begun + number / order["per_s"] - time.perf_counter()))
        export(request, timeout=30)
        now = time.time()
        at.update((trace_id.hex(), now) for trace_id in ids)
    print(json.dumps({"at": at, "remarkable": made.remarkable, "spans": made.spans}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
