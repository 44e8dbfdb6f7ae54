"""Senders: normal ones, which note acknowledgements and their latency, and hostile ones, which hold as many resources as they can."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import random
import socket
import threading
import time

import grpc

from tests.unit.collector.running import EXPORT, request

PROTOBUF = {"Content-Type": "application/x-protobuf"}
PAUSE_S = 0.05
TIMEOUT_S = 10.0


class Honest:
    """Sends traces until each is acknowledged, as an SDK would, but without ever giving up.

    Args:
        number: Of the sender: its trace ids begin with it.
        target: Returns the address, by protocol and receiver.
        protocol: `grpc` or `http`.
        stop: Ends it.
    """

    def __init__(self, number, target, protocol, stop):
        self.acknowledged: list[tuple[bytes, float]] = []
        """Trace ids, with the monotonic time of the answer."""
        self.seconds: list[float] = []
        """Of each try that was answered with yes."""
        self.refused: dict[str, int] = {}
        """Tries by the name of their refusal."""
        self._number = number
        self._target = target
        self._protocol = protocol
        self._stop = stop
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        count = 0
        while not self._stop.is_set():
            count += 1
            ids = [(self._number << 64) + (count << 8) + one for one in range(1, 6)]
            body = request(*ids, name="feature_extraction soak").SerializeToString()
            while not self._tried(body):
                if self._stop.wait(0.2):
                    return
            now_s = time.monotonic()
            self.acknowledged += [(one.to_bytes(16, "big"), now_s) for one in ids]
            self._stop.wait(PAUSE_S)

    def _tried(self, body):
        began_s = time.monotonic()
        name = (self._over_grpc if self._protocol == "grpc" else self._over_http)(body)
        if name:
            self.refused[name] = self.refused.get(name, 0) + 1
            return False
        self.seconds.append(time.monotonic() - began_s)
        return True

    def _over_grpc(self, body):
        try:
            with grpc.insecure_channel(self._target("grpc"), [("grpc.use_local_subchannel_pool", 1)]) as channel:
                channel.unary_unary(EXPORT)(body, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            return error.code().name
        return ""

    def _over_http(self, body):
        try:
            status = post(self._target("http"), body, PROTOBUF)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return "" if status == 200 else str(status)


def post(address, body, headers, path="/v1/traces"):
    """Send a request on a connection of its own; return the status."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


class Hostile:
    """Attacks, one after the other, in the order of its own random numbers."""

    def __init__(self, seed, target, stop):
        self.attacks: dict[str, int] = {}
        self.unexpected: list[str] = []
        """Answers that no attack should have had."""
        self._random = random.Random(seed)
        self._target = target
        self._stop = stop
        self._held: list[socket.socket] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        kinds = [
            self.half_heads,
            self.unfinished_body,
            self.rubbish,
            self.encodings,
            self.json_of_nothing,
            self.bomb,
            self.broken_spans,
            self.slow_readers,
            self.calls_without_a_message,
        ]
        while not self._stop.is_set():
            kind = self._random.choice(kinds)
            self.attacks[kind.__name__] = self.attacks.get(kind.__name__, 0) + 1
            with contextlib.suppress(OSError, http.client.HTTPException, grpc.RpcError):
                kind()
            while len(self._held) > 300:
                self._held.pop(0).close()
            self._stop.wait(self._random.uniform(0.05, 0.3))
        for one in self._held:
            one.close()

    def _connect(self, what="http"):
        host, port = self._target(what).rsplit(":", 1)
        client = socket.create_connection((host, int(port)), timeout=2)
        self._held.append(client)
        return client

    def _expect(self, statuses, status):
        if status not in statuses:
            self.unexpected.append(f"{status} instead of {statuses}")

    def half_heads(self):
        """Thirty of them."""
        for _ in range(30):
            self._connect().sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nX-A: ")

    def unfinished_body(self):
        """Megabytes of a body that never ends."""
        client = self._connect()
        client.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 19000000\r\n\r\n"
        )
        client.sendall(bytes(self._random.randrange(8_000_000)))

    def rubbish(self):
        """Bytes of all kinds."""
        self._expect({400, 429, 503}, post(self._target("http"), self._random.randbytes(5_000), PROTOBUF))

    def encodings(self):
        """Many layers of gzip."""
        body = gzip.compress(gzip.compress(bytes(1_000_000)))
        headers = PROTOBUF | {"Content-Encoding": "gzip, gzip"}
        self._expect({415, 429, 503}, post(self._target("http"), body, headers))

    def bomb(self):
        """A small body that would become 200 MB."""
        body = gzip.compress(bytes(200_000_000), 1)
        headers = PROTOBUF | {"Content-Encoding": "gzip"}
        self._expect({413, 429, 503}, post(self._target("http"), body, headers))

    def json_of_nothing(self):
        """Objects without end."""
        body = b'{"resourceSpans":[' + b"{}," * 1_000_000 + b"{}]}"
        headers = {"Content-Type": "application/json"}
        self._expect({413, 429, 503}, post(self._target("http"), body, headers))

    def broken_spans(self):
        """A span with a broken attribute, between valid spans whose ids the ledger does not count."""
        made = request(self._random.getrandbits(127) | 1 << 127).SerializeToString()
        self._expect({200, 400, 429, 503}, post(self._target("http"), made + b"\x4a\x03\x0a\x7f\x6b", PROTOBUF))

    def slow_readers(self):
        """Ten that ask for a page and never read it."""
        for _ in range(10):
            self._connect("dashboard").sendall(b"GET /explore HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def calls_without_a_message(self):
        """Twenty, for a second."""
        with grpc.insecure_channel(self._target("grpc"), [("grpc.use_local_subchannel_pool", 1)]) as channel:
            ended = threading.Event()
            calls = [channel.stream_unary(EXPORT).future(_nothing(ended)) for _ in range(20)]
            self._stop.wait(1)
            ended.set()
            for call in calls:
                call.cancel()


def _nothing(ended):
    """Yield no message, and end only once that is asked for."""
    ended.wait(5)
    yield from ()
