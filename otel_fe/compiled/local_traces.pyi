import builtins
from typing import Any

SOURCES: str

class LocalTrace:
    trace_id: int
    entry: str | None
    key: builtins.bytes
    bounds: Any
    spans: list[Any]
    candidates: list[Any]
    open_spans: int
    open_roots: int
    roots_ended_ns: int
    decided: bool
    decision: Any
    abandoned: bool
    error: bool
    slo_breached: bool
    start_ns: int
    end_ns: int
    bytes: int
    def __init__(self, trace_id: int, entry: str | None, key: builtins.bytes = b"", bounds: Any = None) -> None: ...
    @property
    def duration_ns(self) -> int: ...
    def started(self, root: bool) -> bool: ...
    def ended(self, span: object, start_ns: int, end_ns: int, error: bool, size: int, root: bool) -> int: ...
    def withheld(self, root: bool) -> bool: ...
    def claim(self, complete: bool) -> bool: ...
    def abandon(self) -> None: ...

def use_traces(outcomes: tuple[int, ...], sweep_every: int) -> None: ...
