"""Sends what a fleet sends to a collector: `python -m tests.bench.fleet_sender JSON`."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc

from tests.bench.fleet_traffic import requests

if TYPE_CHECKING:
    from tests.bench.fleet_traffic import Request

_TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_START_S = 60
_AT_ONCE = 8
"""Requests that are under way together: as many as a few services have."""
_PATIENCE_S = 0.05
_REFUSALS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


class Sender:
    """Sends requests, and notes when the one was acknowledged that makes a trace worth keeping."""

    def __init__(self, port: int, connections: int) -> None:
        # Channels to one address share a connection otherwise.
        options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self._channels = [grpc.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(connections)]
        for channel in self._channels:
            grpc.channel_ready_future(channel).result(_START_S)
        self._exports = itertools.cycle([channel.unary_unary(_TRACES) for channel in self._channels])
        self._lock = threading.Lock()
        self.decided: dict[str, float] = {}
        self.refused = 0

    def send(self, request: Request) -> None:
        """Send a request until it is taken."""
        with self._lock:
            export = next(self._exports)
        while True:
            try:
                export(request.payload, timeout=60)
            except grpc.RpcError as error:
                if error.code() not in _REFUSALS:  # type: ignore[attr-defined]  # it is a call, too
                    raise
                with self._lock:
                    self.refused += 1
                time.sleep(_PATIENCE_S)
            else:
                break
        now = time.time()
        with self._lock:
            self.decided.update(dict.fromkeys(request.decides, now))


def main() -> None:
    """Say "ready" once connected, wait for a line, send, and tell what was sent when."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    made = list(
        requests(
            order["spans"],
            order["request"],
            order["skew_s"],
            content=order["content"],
            joined=order["joined"],
            spans_per_s=order["spans_per_s"],
        )
    )
    sender = Sender(order["port"], order["connections"])
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    sent, late_s = 0, 0.0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = []
        for request in made:
            ahead_s = begun + sent / order["spans_per_s"] - time.perf_counter()
            if order["paced"] and ahead_s > 0:
                time.sleep(ahead_s)
            late_s = max(late_s, -ahead_s)
            sent += request.spans
            waiting.append(pool.submit(sender.send, request))
            if len(waiting) >= 2 * _AT_ONCE:
                waiting.pop(0).result()
        for one in waiting:
            one.result()
    took_s = time.perf_counter() - begun
    traces = sum(len(request.ends) for request in made)
    told = {"decided": sender.decided, "spans": sent, "traces": traces, "took_s": took_s, "refused": sender.refused}
    print(json.dumps({**told, "late_s": late_s}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
