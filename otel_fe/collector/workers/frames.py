"""Spans on their way from one worker to another: the receiver that took them, and an `ExportTraceServiceRequest`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_HEAD: Final = struct.Struct(">HI")


def frame(receiver: str, payload: bytes) -> bytes:
    """Return a frame."""
    name = receiver.encode()
    return _HEAD.pack(len(name), len(payload)) + name + payload


def frames(connection: socket.socket) -> Iterator[tuple[str, bytes]]:
    """Yield receiver and payload of each frame, until the other side ends; what it began to send then is incomplete.

    Raises:
        OSError: The connection failed.
    """
    with connection.makefile("rb") as stream:
        while len(head := stream.read(_HEAD.size)) == _HEAD.size:
            name_size, size = _HEAD.unpack(head)
            name, payload = stream.read(name_size), stream.read(size)
            if len(payload) < size:
                return
            yield name.decode(), payload
