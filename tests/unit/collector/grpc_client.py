"""A gRPC client frame by frame, so that tests send what no well-behaved client does."""

from __future__ import annotations

import base64
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from google.rpc import status_pb2

if TYPE_CHECKING:
    import socket

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def framed(message: bytes, *, compressed: bool = False) -> bytes:
    """Return a message with gRPC's prefix."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


def headers(path: str = TRACES, **more: str) -> list[tuple[str, str]]:
    """Return the headers of a call; names may have underscores for hyphens."""
    found = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers"}
    found["content-type"] = "application/grpc"
    return list({**found, **{name.replace("_", "-"): value for name, value in more.items()}}.items())


class GrpcClient:
    """Calls by stream, over a socket that does not block.

    Args:
        stream: Connected to a server.
        turn: Called to have a server in the same thread serve the other end.
    """

    def __init__(self, stream: socket.socket, turn=lambda: None):
        self.stream = stream
        self.turn = turn
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.http.initiate_connection()
        self.headers = defaultdict(dict)
        self.data = defaultdict(bytes)
        self.ended = set()
        self.resets = {}
        self.going_away = None
        self.pongs = 0
        self.closed = False
        self.flush()

    def flush(self):
        """Exchange bytes until nothing more happens."""
        while True:
            sent = self.http.data_to_send()
            if sent:
                self.send(sent)
            self.turn()
            if not self.receive() and not sent:
                return

    def send(self, data: bytes):
        """Send bytes as they are."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.stream.send(view) :]
            except BlockingIOError:
                self.turn()
                self.receive()
            except OSError:
                self.closed = True
                return

    def receive(self) -> bool:
        """Note what has come; return whether there was anything."""
        try:
            data = self.stream.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            changed, self.closed = not self.closed, True
            return changed
        for event in self.http.receive_data(data):
            self._note(event)
        return True

    def _note(self, event):
        if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            self.headers[event.stream_id].update(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.data[event.stream_id] += event.data
            self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.resets[event.stream_id] = int(event.error_code)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.going_away = int(event.error_code), event.additional_data or b""
            # h2 takes this for the end, though calls in progress go on (RFC 9113, 6.8).
            self.http.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1

    # --- calls -----------------------------------------------------------------------------------------------------------

    def begin(self, **more: str) -> int:
        """Send the headers of a call; return its stream."""
        stream = self.http.get_next_available_stream_id()
        self.http.send_headers(stream, headers(**more))
        self.flush()
        return stream

    def write(self, stream: int, data: bytes, *, end: bool = False):
        """Send bytes of a call, as its windows allow."""
        while data and stream not in self.ended and not self.closed:
            size = min(len(data), self.http.local_flow_control_window(stream), self.http.max_outbound_frame_size)
            assert size, "the server grants nothing more"
            self.http.send_data(stream, data[:size])
            data = data[size:]
            self.flush()
        if end and stream not in self.ended and stream not in self.resets:
            self.http.end_stream(stream)
        self.flush()

    def call(self, message: bytes, *, compressed: bool = False, **more: str) -> int:
        """Make a whole call; return its stream."""
        stream = self.begin(**more)
        self.write(stream, framed(message, compressed=compressed), end=True)
        return stream

    def status(self, stream: int) -> int:
        """Return the status of a call that has been answered."""
        return int(self.headers[stream]["grpc-status"])

    def message(self, stream: int) -> str:
        """Return the message of its status, which the details repeat."""
        found = unquote(self.headers[stream]["grpc-message"])
        packed = self.headers[stream]["grpc-status-details-bin"]
        details = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
        assert (details.code, details.message) == (self.status(stream), found)
        return found
