from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from typing_extensions import Self

SOURCES: str

_Any = TypeVar("_Any")

class Head:
    raw: bytes
    trace_id: int
    span_id: int
    parent_id: int
    start_ns: int
    end_ns: int
    kind: int
    status: int
    flags: int
    has_status: bool
    name: str
    trace_state: str
    resource: Any
    scope: Any
    attributes: Any
    def make_attributes(self) -> Any: ...
    def copied(self) -> Self: ...

def runs(
    spans: Sequence[_Any], stamp: bytes | None, single: Callable[[_Any], bytes], most_bytes: int
) -> list[tuple[Any, Any, bytes, int]]: ...
def add(trace: object, spans: Sequence[object], now_ns: int) -> bool: ...
