"""The context of spans in a request: their resource, and their scope.

Senders repeat theirs in every request. Equal ones become one object, so that they compare by identity, and cached
results are shared. Equal means: all bytes of the `ResourceSpans` but its scopes, or of the `ScopeSpans` but its spans;
so the schema URL, and what this version of OTLP does not know, belong to it and leave with the spans.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from google.protobuf.message import DecodeError
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from otel_fe.wire.messages import ResourceOrigin, ScopeOrigin
from otel_fe.wire.values import read_attributes
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.model.span import Attributes
    from otel_fe.wire.attributes import Sought

_ABSENT_SIZE: Final = 2
"""Tag and length: the Collector counts an empty message where there is none."""

Origin = TypeVar("Origin")


class WireResource:
    """A resource.

    Args:
        frame: A `ResourceSpans` without its scopes.

    Raises:
        WireError: The bytes are no `ResourceSpans`.
    """

    __slots__ = ("attributes", "frame", "size_bytes")

    def __init__(self, frame: bytes) -> None:
        try:
            ResourceSpans.FromString(frame)  # checks what is not decoded here: it is forwarded
            resource = ResourceOrigin.FromString(frame)
        except DecodeError as error:
            raise WireError(f"a ResourceSpans that is none: {error}") from None
        self.frame = frame
        self.attributes: Attributes = read_attributes(resource.resource.attributes)
        self.size_bytes = len(frame) + (0 if resource.HasField("resource") else _ABSENT_SIZE)
        """Size as the Collector counts it."""


class WireScope:
    """An instrumentation scope.

    Args:
        frame: A `ScopeSpans` without its spans.

    Raises:
        WireError: The bytes are no `ScopeSpans`.
    """

    __slots__ = ("attributes", "frame", "name", "size_bytes", "sought", "version")

    def __init__(self, frame: bytes) -> None:
        try:
            ScopeSpans.FromString(frame)
            scope = ScopeOrigin.FromString(frame)
        except DecodeError as error:
            raise WireError(f"a ScopeSpans that is none: {error}") from None
        self.frame = frame
        self.name: str = scope.scope.name
        self.version: str = scope.scope.version
        self.attributes: Attributes = read_attributes(scope.scope.attributes)
        self.size_bytes = len(frame) + (0 if scope.HasField("scope") else _ABSENT_SIZE)
        """Size as the Collector counts it."""
        self.sought: Sought = {}
        """The known positions of its spans' attributes."""


class Interned(Generic[Origin]):
    """Origins by their bytes, the least recently seen forgotten first. Thread-safe.

    Args:
        make: Makes one.
        count: How many are known at most.
        size_bytes: How much their bytes may be, all together.
    """

    def __init__(self, make: Callable[[bytes], Origin], count: int = 4_096, size_bytes: int = 8 << 20) -> None:
        self._make = make
        self._most = count
        self._most_bytes = size_bytes
        self._bytes = 0
        self._known: OrderedDict[bytes, Origin] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, frame: bytes) -> Origin:
        """Return the origin with these bytes.

        Raises:
            WireError: The bytes are no such message.
        """
        with self._lock:
            known = self._known
            found = known.get(frame)
            if found is not None:
                known.move_to_end(frame)
                return found
            found = self._make(frame)
            if len(frame) <= self._most_bytes:
                known[frame] = found
                self._bytes += len(frame)
                while self._bytes > self._most_bytes or len(known) > self._most:
                    self._bytes -= len(known.popitem(last=False)[0])
            return found
