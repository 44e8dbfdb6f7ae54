from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from opentelemetry.trace import SpanKind, TraceState

SOURCES: str

class SpanCore:
    tracer: Any
    trace_id: int
    span_id: int
    flags: int
    state: TraceState
    parent_span: Any
    root: bool
    text_bytes: int
    filled_in: Callable[[], dict[str, Any]] | None
    local_trace: Any
    _name: str
    _kind: SpanKind
    _attributes: Any
    _start_time: int | None
    _end_time: int | None
    _status: Any
    _events: Any
    _links: Any
    _record_exception: bool
    _set_status_on_exception: bool
    _made_context: Any
    _made_lock: Any
    @property
    def name(self) -> str: ...
    def is_recording(self) -> bool: ...
    def set_attribute(self, key: str, value: Any) -> None: ...
    def set_attributes(self, attributes: Mapping[str, Any]) -> None: ...
    def estimated_bytes(self) -> int: ...
    def end(self, end_time: int | None = None) -> None: ...

class CurrentCore:
    _tracer: Any
    _arguments: tuple[Any, ...]
    _end_on_exit: bool
    _span: Any
    _token: Any
    def __init__(self, tracer: Any, arguments: tuple[Any, ...], end_on_exit: bool) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

def use_spans(
    lean_span: type[Any], unset: Any, logger: Any, span_bytes: int, attribute_bytes: int, short_text: int
) -> None: ...
def use_tracers(
    lean_tracer: type[Any],
    current_span: type[Any],
    api: tuple[Any, ...],
    context: tuple[Any, ...],
    span_key: str,
    ids: tuple[Any, ...],
    known_flags: int,
) -> None: ...
def methods(internal: Any) -> tuple[Any, Any]: ...
